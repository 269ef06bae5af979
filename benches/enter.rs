//! What does it cost to enter a tenant and read one row, against plain Diesel with r2d2?
//!
//! `cargo bench --bench enter`, or `cargo bench --bench enter -- --quick`. One thread picks tenants uniformly at random,
//! out of 1, 100 and 1,000, and
//! - *enter and leave*: takes a connection and gives it back;
//! - *enter, read, leave*: reads one column of one row by primary key in between.
//!
//! Everybody works on the same files with the same settings (WAL, `synchronous=FULL`), and every connection that will
//! be used is open before the clock starts. The contestants:
//! - *handle*: [`TenantHandle::enter`], the way a service does it; *id*: [`Tenancy::tenant`], with the lookup;
//! - *r2d2, defaults*: a `diesel::r2d2::Pool` per tenant as it comes, which opens ten connections and starts three
//!   threads for each (left out where the process may not open as many files), and asks `SELECT 1` at each checkout;
//! - *r2d2, tuned*: no `SELECT 1`, no connection before it is needed, at most four, no reaping, one thread for all pools;
//! - *bare*: one Diesel connection per tenant in a `Vec`, no pool at all: the baseline nobody can beat.
//!
//! After Criterion's own report a table compares them: the contestants take turns of some milliseconds, and of each the
//! lower quartile counts, so that a busy machine disturbs the ratios little. Reads use `get_result`; Diesel's
//! `first` adds `LIMIT ?`, for which SQLite prepares the statement anew each time, and would hide what is measured.
#![allow(missing_docs)]
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel_tenants::backend::sqlite::files;
use diesel_tenants::backend::sqlite::root::Root;
use diesel_tenants::prelude::*;
use scheduled_thread_pool::ScheduledThreadPool;

diesel::table! { users { id -> Integer, name -> Text, } }
diesel::table! { patients { id -> Integer, name -> Text, } }
routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }

const SHARED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
/// What `diesel_tenants` sets on each of its connections, so that nobody else saves it.
const SETTINGS: &str = "PRAGMA busy_timeout = 5000; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;
    PRAGMA mmap_size = 0; PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";

const TENANTS: [usize; 3] = [1, 100, 1_000];
const PATIENTS: i32 = 100;

type DieselPool = Pool<ConnectionManager<SqliteConnection>>;

/// Tenants with a hundred patients each.
struct Fleet {
    tenancy: Tenancy,
    handles: Vec<TenantHandle>,
    urls: Vec<String>,
    _directory: tempfile::TempDir,
}

impl Fleet {
    fn new(tenants: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let ids: Vec<TenantId> = (0..tenants)
            .map(|number| format!("T{number}").parse().unwrap())
            .collect();
        let filled = open(&data);
        for id in &ids {
            let handle = filled.create(id, NewTenant::named("bench")).unwrap();
            let names: Vec<_> = (0..PATIENTS)
                .map(|n| patients::name.eq(format!("patient {n}")))
                .collect();
            diesel::insert_into(patients::table)
                .values(names)
                .execute(&mut handle.enter().unwrap())
                .unwrap();
        }
        // Opened anew, so that nobody has connections that have done something before.
        drop(filled);
        let tenancy = open(&data);
        let handles: Vec<_> = ids.iter().map(|id| tenancy.handle(id).unwrap()).collect();
        let root = Root::open(&data).unwrap();
        let url = |handle: &TenantHandle| {
            let uuid = handle.record().unwrap().uuid;
            let file = root.tenant(handle.id().folded().as_str(), uuid, 1);
            files::uri(&file.unwrap()).unwrap()
        };
        Self {
            urls: handles.iter().map(url).collect(),
            handles,
            tenancy,
            _directory: directory,
        }
    }

    fn bare(&self, tenants: usize) -> Vec<SqliteConnection> {
        let open = |url: &String| {
            let mut conn = SqliteConnection::establish(url).unwrap();
            conn.batch_execute(SETTINGS).unwrap();
            conn
        };
        self.urls[..tenants].iter().map(open).collect()
    }

    fn pools(&self, tenants: usize, tune: bool) -> Vec<DieselPool> {
        let threads = Arc::new(ScheduledThreadPool::new(1));
        let pool = |url: &String| {
            let mut builder = Pool::builder().connection_customizer(Box::new(Settings));
            if tune {
                builder = builder
                    .max_size(4)
                    .min_idle(Some(0))
                    .test_on_check_out(false)
                    .idle_timeout(None)
                    .max_lifetime(None)
                    .thread_pool(Arc::clone(&threads));
            }
            let pool = builder.build(ConnectionManager::new(url)).unwrap();
            drop(pool.get().unwrap());
            pool
        };
        self.urls[..tenants].iter().map(pool).collect()
    }
}

fn open(data: &Path) -> Tenancy {
    Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(data)
        .init()
        .shared_migrations(MigrationScript::new("1", "users", SHARED))
        .tenant_migrations(MigrationScript::new("1", "wards", TENANT))
        .open()
        .unwrap()
}

#[derive(Debug)]
struct Settings;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for Settings {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        let set = conn.batch_execute(SETTINGS);
        set.map_err(diesel::r2d2::Error::QueryError)
    }
}

/// The same sequence of tenants and patients for everybody (xorshift).
struct Pick {
    tenants: usize,
    state: u64,
}

impl Pick {
    fn of(tenants: usize) -> Self {
        let state = 0x9E37_79B9_7F4A_7C15;
        Self { tenants, state }
    }

    fn next(&mut self) -> (usize, i32) {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let patient = (self.state >> 32) as i32 & i32::MAX;
        (
            (self.state % self.tenants as u64) as usize,
            patient % PATIENTS + 1,
        )
    }
}

struct Contestant<'a> {
    name: &'static str,
    /// Does it so many times and says how long that took.
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
}

fn contestant<'a>(
    name: &'static str,
    tenants: usize,
    mut once: impl FnMut(usize, i32) + 'a,
) -> Contestant<'a> {
    let mut pick = Pick::of(tenants);
    let run = move |times| {
        let start = Instant::now();
        for _ in 0..times {
            let (tenant, patient) = pick.next();
            once(tenant, patient);
        }
        start.elapsed()
    };
    let run = Box::new(run);
    Contestant { name, run }
}

macro_rules! name_of {
    ($patient:expr) => {
        patients::table.find($patient).select(patients::name)
    };
}

fn read_bare(conn: &mut SqliteConnection, patient: i32) -> String {
    diesel::RunQueryDsl::get_result(name_of!(patient), conn).unwrap()
}

fn read(ctx: &mut TenantContext, patient: i32) -> String {
    name_of!(patient).get_result(ctx).unwrap()
}

/// The first is what the others are compared with.
fn entering<'a>(fleet: &'a Fleet, n: usize, r2d2: &'a Pools) -> Vec<Contestant<'a>> {
    let ids: Vec<TenantId> = fleet.handles.iter().map(TenantHandle::id).collect();
    let mut all = vec![
        contestant("r2d2, tuned", n, |t, _| {
            drop(black_box(r2d2.tuned[t].get().unwrap()))
        }),
        contestant("handle", n, |t, _| {
            drop(black_box(fleet.handles[t].enter().unwrap()))
        }),
        contestant("id", n, move |t, _| {
            drop(black_box(fleet.tenancy.tenant(&ids[t]).unwrap()))
        }),
    ];
    if let Some(pools) = &r2d2.defaults {
        let run = |t: usize, _| drop(black_box(pools[t].get().unwrap()));
        all.push(contestant("r2d2, defaults", n, run));
    }
    all
}

/// The first is what the others are compared with.
fn reading<'a>(fleet: &'a Fleet, n: usize, r2d2: &'a Pools) -> Vec<Contestant<'a>> {
    let mut bare = fleet.bare(n);
    let pooled = |pool: &DieselPool, p| read_bare(&mut pool.get().unwrap(), p);
    let mut all = vec![
        contestant("bare", n, move |t, p| {
            drop(black_box(read_bare(&mut bare[t], p)))
        }),
        contestant("handle", n, |t, p| {
            black_box(read(&mut fleet.handles[t].enter().unwrap(), p));
        }),
        contestant("r2d2, tuned", n, move |t, p| {
            drop(black_box(pooled(&r2d2.tuned[t], p)))
        }),
    ];
    if let Some(pools) = &r2d2.defaults {
        let run = move |t: usize, p| drop(black_box(pooled(&pools[t], p)));
        all.push(contestant("r2d2, defaults", n, run));
    }
    all
}

struct Pools {
    tuned: Vec<DieselPool>,
    defaults: Option<Vec<DieselPool>>,
}

/// The time of one call, and its ratio to that of the first contestant.
///
/// They take turns. In a turn a contestant comes to each tenant many times, because whoever went before has taken the
/// processor's caches. Of the turns the lower quartile counts: what else runs on the machine only ever adds.
fn compare(contestants: &mut [Contestant<'_>], tenants: usize) -> Vec<(&'static str, f64, f64)> {
    const TURNS: usize = 40;
    let turn = Duration::from_millis(4) + Duration::from_micros(25) * tenants as u32;

    let mut times = vec![Vec::new(); contestants.len()];
    let calls: Vec<u64> = contestants
        .iter_mut()
        .map(|c| {
            let trial = 1_000;
            let took = (c.run)(trial).as_nanos().max(1) as u64;
            (turn.as_nanos() as u64 * trial / took).max(1)
        })
        .collect();
    for _ in 0..TURNS {
        for (index, c) in contestants.iter_mut().enumerate() {
            times[index].push((c.run)(calls[index]).as_nanos() as f64 / calls[index] as f64);
        }
    }
    let times = times.into_iter().map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[TURNS / 4]
    });
    let times: Vec<f64> = times.collect();
    let rows = contestants.iter().zip(&times);
    rows.map(|(c, time)| (c.name, *time, time / times[0]))
        .collect()
}

/// A thousand tenants need more files than the usual soft limit allows.
fn raise_file_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Should it be refused, the limit that is read next says so.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn main() {
    let files = raise_file_limit();
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .without_plots()
        .configure_from_args();
    // `cargo test --benches` and `--list` want no numbers.
    let compares = !std::env::args().any(|arg| arg == "--test" || arg == "--list");

    let fleet = Fleet::new(TENANTS[TENANTS.len() - 1]);
    let mut table = Vec::new();
    for n in TENANTS {
        // The library's own, the tuned pools' and the bare connections are open at once, three files each.
        if 9 * n as u64 > files {
            eprintln!("{n} tenants left out: {files} open files are not enough");
            continue;
        }
        let fits = 30 * n as u64 + 9 * n as u64 <= files;
        if !fits {
            eprintln!(
                "r2d2 with its defaults left out: {n} pools open {} connections",
                10 * n
            );
        }
        let pools = Pools {
            tuned: fleet.pools(n, true),
            defaults: fits.then(|| fleet.pools(n, false)),
        };
        for handle in &fleet.handles[..n] {
            drop(handle.enter().unwrap());
        }
        for (workload, mut contestants) in [
            ("enter and leave", entering(&fleet, n, &pools)),
            ("enter, read, leave", reading(&fleet, n, &pools)),
        ] {
            let mut group = criterion.benchmark_group(workload);
            for c in &mut contestants {
                let name = BenchmarkId::new(c.name, n);
                group.bench_function(name, |b| b.iter_custom(|times| (c.run)(times)));
            }
            group.finish();
            if compares {
                table.push((workload, n, compare(&mut contestants, n)));
            }
        }
    }
    criterion.final_summary();

    table.sort_by_key(|(workload, n, _)| (*workload, *n));
    for (workload, n, rows) in table {
        println!(
            "\n{workload}, {n} tenants: ns per call, ratio to `{}`",
            rows[0].0
        );
        for (name, time, ratio) in rows {
            println!("  {name:16} {time:9.0}  {ratio:6.2}");
        }
    }
}
