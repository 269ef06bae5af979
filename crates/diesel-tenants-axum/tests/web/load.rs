//! Many requests at once, of which many are given up.
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;

use axum::Extension;
use axum::middleware::from_fn;
use diesel_tenants::access::{ActorId, Membership, Role};
use diesel_tenants::backend::TenantKey;
use diesel_tenants_axum::RequirePrincipal;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::principals::who;
use super::*;

const TENANTS: u64 = 100;
const REQUESTS: usize = 1_000;
/// Which requests come, in which order, and what becomes of them.
const SEED: u64 = 0x1D5E_EDC0_FFEE;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Everybody is a member of the tenant of their own name.
struct Namesakes;

impl Membership for Namesakes {
    fn role(
        &self,
        _: &mut SharedContext,
        actor: &ActorId,
        tenant: &TenantKey,
    ) -> QueryResult<Option<Role>> {
        let own = actor.as_str() == format!("user:{}", tenant.id.as_str().to_lowercase());
        Ok(own.then(|| Role::named("clerk").unwrap()))
    }
}

/// How far a request was when it was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum GivenUp {
    BeforeItsWork,
    Midway,
    AfterItsWork,
}

/// A request on its way.
#[derive(Default)]
struct Way {
    row: String,
    begun: AtomicBool,
    has_begun: Notify,
    /// Its work goes on no further until it is told to.
    held: Mutex<Option<mpsc::Receiver<()>>>,
    ended: AtomicBool,
    given_up: Mutex<Option<GivenUp>>,
}

/// Dropped with the request it is in.
struct Witness(Arc<Way>, bool);

impl Drop for Witness {
    fn drop(&mut self) {
        let Self(way, answered) = self;
        if *answered {
            return;
        }
        let (begun, ended) = (&way.begun, &way.ended);
        let far = match (begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)) {
            (false, _) => GivenUp::BeforeItsWork,
            (true, false) => GivenUp::Midway,
            (true, true) => GivenUp::AfterItsWork,
        };
        *way.given_up.lock() = Some(far);
    }
}

/// Reads, writes a row, and reads again.
async fn work(
    tenant: TenantDb,
    Extension(way): Extension<Arc<Way>>,
) -> Result<Json<Vec<String>>, RunError> {
    let mut witness = Witness(Arc::clone(&way), false);
    let work = move |ctx: &mut TenantContext| {
        way.begun.store(true, Ordering::SeqCst);
        way.has_begun.notify_one();
        let all = || patients::table.select(patients::name);
        let mut rows: Vec<String> = all().load(ctx)?;
        if let Some(go_on) = way.held.lock().take() {
            go_on.recv().unwrap();
        }
        diesel::insert_into(patients::table)
            .values(patients::name.eq(&way.row))
            .execute(ctx)?;
        rows.extend(all().load::<String>(ctx)?);
        way.ended.store(true, Ordering::SeqCst);
        QueryResult::Ok(rows)
    };
    let rows = tenant.run(work).await?;
    witness.1 = true;
    Ok(Json(rows))
}

/// A thousand requests of members over a hundred tenants, and of strangers among them; of the members' half are given
/// up, at a random moment or in the middle of their work.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_requests_given_up_no_row_strays_and_no_connection_is_lost() {
    println!("seed {SEED:#x}");
    // In memory where it can be: how soon a disk has it is not what is looked at.
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let fleet = fleet_in(dir.unwrap(), |builder| builder.membership(Namesakes));
    for number in 0..TENANTS {
        fleet.create(&format!("T{number:03}"));
    }
    let app = Router::new()
        .route("/work", post(work))
        .route_layer(RequirePrincipal)
        .route_layer(from_fn(who))
        .layer(TenantLayer::new(fleet.tenancy.clone(), by_subdomain()));

    let mut dice = Dice(SEED);
    let mut under_way = Vec::new();
    let (mut ways, mut cancelled, mut strangers) = (Vec::new(), 0, 0);
    for number in 0..REQUESTS {
        let tenant = format!("T{:03}", dice.roll(TENANTS));
        let stranger = dice.roll(10) == 0;
        let name = match stranger {
            false => tenant.to_lowercase(),
            true => format!("t{:03}", TENANTS + dice.roll(TENANTS)),
        };
        let mut way = Way {
            row: format!("{tenant} row {number}"),
            ..Way::default()
        };
        let midway = !stranger && dice.roll(4) == 0;
        let (go_on, held) = mpsc::channel();
        if midway {
            way.held = Mutex::new(Some(held));
        }
        let way = Arc::new(way);
        let mut request = Request::post("/work")
            .header("host", format!("{}.example.com", tenant.to_lowercase()))
            .header("x-who", name)
            .body(Body::empty())
            .unwrap();
        request.extensions_mut().insert(Arc::clone(&way));
        let app = app.clone();
        let task = tokio::spawn(async move { ask(&app, request).await });
        if midway {
            way.has_begun.notified().await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(*way.given_up.lock(), Some(GivenUp::Midway));
            cancelled += 1;
            go_on.send(()).unwrap();
        } else {
            if !stranger && dice.roll(3) == 0 {
                // Some before they began, some while they wait for a turn, for a connection or for their answer.
                for _ in 0..dice.roll(60) {
                    tokio::task::yield_now().await;
                }
                task.abort();
            }
            under_way.push((Arc::clone(&way), tenant.clone(), stranger, task));
        }
        strangers += usize::from(stranger);
        ways.push((tenant, stranger, way));
    }
    let mut acknowledged = BTreeSet::new();
    for (way, tenant, stranger, task) in under_way {
        match task.await {
            Ok((status, _)) if stranger => assert_eq!(status, StatusCode::NOT_FOUND),
            Ok((status, body)) => {
                assert_eq!(status, StatusCode::OK, "{body}");
                let rows: Vec<String> = serde_json::from_str(&body).unwrap();
                let strays = rows.iter().filter(|row| !row.contains(&tenant));
                assert_eq!(strays.count(), 0, "{tenant}: {rows:?}");
                assert!(rows.contains(&way.row), "{tenant}: {rows:?}");
                acknowledged.insert(way.row.clone());
            }
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => cancelled += 1,
        }
    }

    let mut far = BTreeMap::new();
    for (.., way) in &ways {
        if let Some(given_up) = *way.given_up.lock() {
            *far.entry(given_up).or_insert(0) += 1;
        }
    }
    println!(
        "{} answered, {strangers} strangers, {cancelled} given up: {far:?}",
        acknowledged.len()
    );
    assert_eq!(acknowledged.len() + cancelled + strangers, REQUESTS);
    assert!(acknowledged.len() >= REQUESTS * 3 / 10);
    assert!(cancelled >= REQUESTS * 3 / 10, "{cancelled}");
    assert!(far[&GivenUp::Midway] >= REQUESTS * 15 / 100, "{far:?}");

    // What was begun runs to its end; then every connection is back.
    tokio::task::spawn_blocking(move || {
        let until = std::time::Instant::now() + Duration::from_secs(20);
        while fleet.tenancy.stats().in_use > 0 {
            let now = std::time::Instant::now();
            assert!(now < until, "{:?}", fleet.tenancy.stats());
            std::thread::yield_now();
        }
        // And what was written is where it belongs: all that was answered or begun, and nothing of anybody else.
        for record in fleet.tenancy.tenants().unwrap() {
            let mut ctx = fleet.tenancy.tenant(&record.id).unwrap();
            let names = patients::table.select(patients::name);
            let mut found: BTreeSet<String> = names.load(&mut ctx).unwrap().into_iter().collect();
            let id = record.id.as_str();
            assert!(found.remove(&format!("CANARY-{id}")));
            for (.., way) in ways.iter().filter(|(tenant, ..)| tenant == id) {
                let written = found.remove(&way.row);
                let given_up = *way.given_up.lock();
                let sure = acknowledged.contains(&way.row) || given_up >= Some(GivenUp::Midway);
                assert!(written || !sure, "{} {given_up:?}", way.row);
            }
            assert!(found.is_empty(), "{id} has {found:?}");
        }
    })
    .await
    .unwrap();
}
