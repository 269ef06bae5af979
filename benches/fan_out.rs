//! What does it cost to ask every tenant one question, against a loop that does the same?
//!
//! `cargo bench --bench fan_out [-- TENANTS]`, 1,000 unless told otherwise. Each tenant has a hundred patients, and is asked
//! how many of them are in one ward. Everybody takes part in one run, in turns, and of each the median of the rounds counts:
//! - *loop*: `tenants()`, and for each `tenant(&id)?.read(…)`, on one thread;
//! - *fan-out*: `aggregate` with one, two, four and eight workers.
//!
//! - *warm*: every connection is open already, and every page it needs is in its cache;
//! - *cold*: no connection is open when the clock starts, and the budget has room for all;
//! - *scarce*: the budget is 16 connections, so that nearly all tenants are opened anew each time.
//!
//! Files are in the system's cache throughout. A table is printed at the end.
#![allow(missing_docs)]
use std::time::{Duration, Instant};

use diesel_tenants::prelude::*;
use diesel_tenants::{FanOut, PoolConfig};

diesel::table! { patients { id -> Integer, name -> Text, ward -> Text, } }
routes! { static ROUTES; shared {} tenant { wards { patients } } }

const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, ward TEXT NOT NULL);";
const PATIENTS: usize = 100;
const ROUNDS: usize = 11;
const WORKERS: [usize; 4] = [1, 2, 4, 8];

fn open(directory: &std::path::Path, pool: PoolConfig) -> Tenancy {
    let builder = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.join("data"));
    let builder = builder.init().pool(pool);
    let wards = MigrationScript::new("1", "wards", TENANT);
    builder.tenant_migrations(wards).open().unwrap()
}

fn in_one_ward(ctx: &mut ReadContext) -> QueryResult<i64> {
    let ward = patients::table.filter(patients::ward.eq("A"));
    ward.count().get_result(ctx)
}

fn one_by_one(tenancy: &Tenancy) -> i64 {
    let mut sum = 0;
    for tenant in tenancy.tenants().unwrap() {
        sum += tenancy
            .tenant(&tenant.id)
            .unwrap()
            .read(in_one_ward)
            .unwrap();
    }
    sum
}

fn fan_out(tenancy: &Tenancy, workers: usize) -> i64 {
    let over = FanOut::new().parallelism(workers);
    let sum = tenancy.aggregate(over, 0, in_one_ward, |sum, _, patients| *sum += patients);
    let sum = sum.unwrap();
    assert!(sum.is_complete());
    sum.value
}

/// One contestant's times.
struct Times(Vec<Duration>);

impl Times {
    fn median(&mut self) -> Duration {
        self.0.sort();
        self.0[self.0.len() / 2]
    }
}

/// Lets all take turns, and prints the median of each.
fn race(title: &str, tenants: usize, before_each: impl Fn() -> Tenancy) {
    let mut times: Vec<Times> = (0..=WORKERS.len()).map(|_| Times(Vec::new())).collect();
    for _ in 0..ROUNDS {
        for (contestant, times) in times.iter_mut().enumerate() {
            let tenancy = before_each();
            let started = Instant::now();
            let sum = match contestant {
                0 => one_by_one(&tenancy),
                other => fan_out(&tenancy, WORKERS[other - 1]),
            };
            times.0.push(started.elapsed());
            assert_eq!(sum as usize, tenants * PATIENTS / 2);
        }
    }
    let medians: Vec<_> = times.iter_mut().map(Times::median).collect();
    print!("{title:8} {:>9.1?} ", medians[0]);
    for median in &medians[1..] {
        let ratio = medians[0].as_secs_f64() / median.as_secs_f64();
        print!(" {median:>9.1?} ({ratio:.2} ×)");
    }
    println!();
}

fn main() {
    let tenants = std::env::args()
        .skip(1)
        .find_map(|number| number.parse().ok())
        .unwrap_or(1_000);
    let directory = tempfile::tempdir().unwrap();
    let roomy = || {
        PoolConfig::default()
            .with_max_connections(tenants + 64)
            .unwrap()
    };
    let scarce = || PoolConfig::default().with_max_connections(16).unwrap();
    let tenancy = open(directory.path(), scarce());
    for number in 0..tenants {
        let id = format!("T{number:05}").parse().unwrap();
        let tenant = tenancy
            .create(&id, NewTenant::named("one of many"))
            .unwrap();
        let row = |n| {
            let ward = if n % 2 == 0 { "A" } else { "B" };
            (
                patients::name.eq(format!("patient {n}")),
                patients::ward.eq(ward),
            )
        };
        let rows: Vec<_> = (0..PATIENTS).map(row).collect();
        let insert = diesel::insert_into(patients::table).values(rows);
        insert.execute(&mut tenant.enter().unwrap()).unwrap();
    }
    drop(tenancy);

    println!("{tenants} tenants, median of {ROUNDS} rounds; how much faster than the loop");
    println!("              loop   fan-out with 1, 2, 4, 8 workers");
    let warm = open(directory.path(), roomy());
    one_by_one(&warm);
    race("warm", tenants, || warm.clone());
    assert_eq!(warm.stats().opened as usize, tenants, "it was not warm");
    drop(warm);
    race("cold", tenants, || open(directory.path(), roomy()));
    let few = open(directory.path(), scarce());
    race("scarce", tenants, || few.clone());
}
