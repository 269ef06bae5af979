//! What an operator looks after beside the tenants: their end, what is unfinished, what is nobody's.
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::NaiveDate;
use diesel_tenants::audit::AuditFilter;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::{hospitals, users};
use diesel_tenants::models::shared::accounts::{NewHospital, User};
use diesel_tenants::models::shared::subscriptions::BillingCycle;
use diesel_tenants::pool::PoolConfig;
use diesel_tenants::services::{hospitals as hospitals_service, subscriptions};
use diesel_tenants::workflow::{Flow, Halt, Workflow};
use diesel_tenants::{Retention, TenantRecord};
use diesel_tenants_console::{HospitalSubscriptions, Limit, Subscription, Subscriptions};

use super::*;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[tokio::test]
async fn a_tenant_is_purged_when_its_time_is_over_and_nobody_holds_it() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    let record = || site.tenancy.handle(&id).unwrap().record();
    let uuid = record().unwrap().uuid;
    site.get("/upkeep").await.has("id=\"quiet\"");
    // Neither in use nor archived, nor before its date.
    let purge = async |typed: &str| site.act("/tenants/NORTH/purge", &[("typed", typed)]).await;
    purge("NORTH").await.has("icon bad");
    site.tenancy.suspend(&id).unwrap();
    site.tenancy.archive(&id).unwrap();
    site.get("/tenants/NORTH").await.has_not("typed-purge");
    purge("NORTH").await.has("has no date");
    site.tenancy
        .delete(&id, "NORTH", Retention::days(30))
        .unwrap();
    site.get("/tenants/NORTH")
        .await
        .has("can be purged from")
        .has_not("typed-purge");
    purge("NORTH").await.has("is kept until");
    site.tenancy.delete(&id, "NORTH", Retention::NONE).unwrap();
    site.tenancy.hold(&id, "a court's order").unwrap();
    site.get("/tenants/NORTH")
        .await
        .has("while it is on hold")
        .has_not("typed-purge");
    purge("NORTH").await.has("legal hold");
    site.tenancy.release_hold(&id).unwrap();
    site.get("/upkeep")
        .await
        .has("Due to be purged")
        .has(">NORTH</a>");
    site.get("/tenants/NORTH").await.has("typed-purge");
    for typed in ["", "north", "NORT"] {
        purge(typed).await.has("icon bad");
        assert_eq!(record().unwrap().status, Status::Archived, "{typed}");
    }
    let tenants = site._dir.path().join("data/tenants");
    let aside = site._dir.path().join("aside");
    copy(&tenants, &aside);
    purge("NORTH")
        .await
        .has("Purged:")
        .has("its backups are kept")
        .has("certificate");
    assert_eq!(
        site.get("/tenants/NORTH").await.status,
        StatusCode::NOT_FOUND
    );
    assert!(site.tenancy.certificate(&uuid).unwrap().is_some());

    // Somebody puts its files back, and a directory of their own beside it.
    copy(&aside, &tenants);
    std::fs::create_dir(tenants.join("stray")).unwrap();
    let page = site.get("/upkeep").await;
    page.has("Purged, and there again")
        .has("stray")
        .has_not("id=\"quiet\"");
    let again = format!("/upkeep/undead/{uuid}");
    site.act(&again, &[("typed", "north")])
        .await
        .has("icon bad");
    assert_eq!(site.tenancy.undead().unwrap().len(), 1);
    site.act(&again, &[("typed", "NORTH")]).await.has("Purged:");
    assert!(site.tenancy.undead().unwrap().is_empty());
    site.post("/upkeep/reclaim", &[])
        .await
        .has("There are none");
}

#[tokio::test]
async fn kept_databases_are_discarded_by_age() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    site.act("/tenants/NORTH/recreate", &[("typed", "NORTH")])
        .await;
    site.get("/tenants/NORTH")
        .await
        .has("Generation 1, replaced");
    let discard = async |typed: &str, days: &str| {
        let fields = [("typed", typed), ("days", days)];
        site.act("/tenants/NORTH/discard", &fields).await
    };
    discard("north", "0").await.has("icon bad");
    discard("NORTH", "1").await.has("None is that old");
    assert_eq!(site.tenancy.old_generations(&id).unwrap().len(), 1);
    discard("NORTH", "0")
        .await
        .has("Removed for ever: generation 1.");
    assert!(site.tenancy.old_generations(&id).unwrap().is_empty());
}

/// Cannot be undone until somebody has helped.
struct Stubborn;

static HELPED: AtomicBool = AtomicBool::new(false);

impl Workflow for Stubborn {
    const NAME: &'static str = "stubborn";
    type Input = ();
    type Output = ();
    type Error = diesel::result::Error;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        (): &'a (),
    ) -> Result<(), Halt<Self::Error>> {
        flow.shared_or_undo(
            "first",
            |_| Ok(1),
            |_, _| match HELPED.load(Ordering::Relaxed) {
                true => Ok(()),
                false => Err(diesel::result::Error::NotFound),
            },
        )?;
        flow.tenant("second", |_| Err::<i32, _>(diesel::result::Error::NotFound))?;
        Ok(())
    }
}

#[tokio::test]
async fn a_workflow_that_is_stuck_is_retried() {
    let mut site = Site::open_with(|builder| builder.workflow(Stubborn));
    site.let_in().await;
    let id = site.create("NORTH", "North");
    site.tenancy
        .run_workflow(&Stubborn, &id, None, ())
        .unwrap_err();
    let run = site.tenancy.unfinished_workflows().unwrap()[0].id;
    site.get("/upkeep")
        .await
        .has("stubborn")
        .has("stuck")
        .has("Step first");
    let retry = format!("/upkeep/workflows/{run}/retry");
    let stuck = site.act(&retry, &[]).await;
    stuck.has("icon bad");
    HELPED.store(true, Ordering::Relaxed);
    site.act(&retry, &[]).await.has("It was undone");
    site.get("/upkeep").await.has_not("stubborn");
    for gone in [
        &*retry,
        "/upkeep/workflows/x/retry",
        "/upkeep/undead/x",
        "/upkeep/grants/x/close",
    ] {
        assert_eq!(
            site.post(gone, &[]).await.status,
            StatusCode::NOT_FOUND,
            "{gone}"
        );
    }
    site.act("/upkeep/recover", &[])
        .await
        .has("nothing to settle");
}

#[tokio::test]
async fn emergency_access_is_shown_and_ended() {
    let site = Site::logged_in().await;
    let id = site.create("NORTH", "North");
    let doctor = Principal::user("user:41".parse().unwrap());
    let reason = "unconscious & alone <b>".parse().unwrap();
    let hour = Duration::from_secs(3600);
    let grant = site
        .tenancy
        .break_glass(&doctor, &id, reason, hour)
        .unwrap();
    site.get("/upkeep")
        .await
        .has("user:41")
        .has("&#60;b&#62;")
        .has_not("<b>");
    let close = format!("/upkeep/grants/{}/close", grant.id);
    site.act(&close, &[]).await.has("It has ended");
    assert!(site.tenancy.active_grants().unwrap().is_empty());
    site.act(&close, &[]).await.has("had ended already");
}

#[tokio::test]
async fn the_subscription_with_its_limits_and_what_is_used_of_them() {
    let site = Site::logged_in().await;
    site.create("NORTH", "North");
    site.get("/tenants/NORTH").await.has("There is none.");
    let made = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let row = NewHospital {
        id: Id::new(),
        code: "NORTH",
        name: "North",
        subdomain: "north",
        contact_name: None,
        email: "a@north.example",
        phone: None,
        address: None,
        city: None,
        country: None,
        website: None,
        time_zone: "UTC",
        currency: "USD",
        created_at: made.and_hms_opt(0, 0, 0).unwrap(),
    };
    let shared = &mut site.tenancy.shared().unwrap();
    subscriptions::ensure_plans(shared, now()).unwrap();
    diesel::insert_into(hospitals::table)
        .values(&row)
        .execute(shared)
        .unwrap();
    // Its tenant came back under another uuid, or the row is older than such a thing.
    site.get("/tenants/NORTH")
        .await
        .has("is no tenant, and may be this one");
    let uuid = site.tenancy.handle(&"NORTH".parse().unwrap());
    hospitals_service::bind(shared, row.id, uuid.unwrap().uuid(), now()).unwrap();
    subscriptions::start_trial(shared, row.id, "basic", BillingCycle::Monthly, now()).unwrap();
    site.get("/tenants/NORTH")
        .await
        .has("<dd>Basic</dd>")
        .has("trial")
        .has("<dt>Days left</dt><dd>30</dd>")
        .has("0 of 500")
        .has("0 of 5<");
    // Which its quota follows, unless it has one of its own.
    let quota = |mebibytes| [("mebibytes", mebibytes)];
    let set = site.act("/tenants/NORTH/quota", &quota("64")).await;
    set.has("The quota is 64");
    let unset = site.act("/tenants/NORTH/quota", &quota("")).await;
    unset.has("The quota is ").has_not("The quota is 64");
    // Its database was opened for that, by somebody who is no member: it is known by whom.
    let counted = AuditFilter::all().action("console.count");
    let entries = site.tenancy.audit_entries(&counted, 10).unwrap();
    let [entry] = &entries[..] else {
        panic!("one opening: {entries:?}");
    };
    let me: Id<User> = users::table.select(users::id).first(shared).unwrap();
    assert_eq!(entry.actor, format!("user:{me}"));
    let about = (entry.role.as_deref(), entry.tenant_id.as_deref());
    assert_eq!(about, (Some("superuser"), Some("NORTH")));
    assert!(entry.generation.is_some());
    // Nobody waits for the tenant's connection while they keep one of the shared database: one connection is enough.
    let narrow = Tenancy::builder(&ROUTES)
        .sqlite(site.tenancy.data_directory())
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .pool(PoolConfig::default().with_max_connections(1).unwrap())
        .open()
        .unwrap();
    let record = narrow.handle(&"NORTH".parse().unwrap()).unwrap().record();
    let found = HospitalSubscriptions.of(&narrow, &record.unwrap()).unwrap();
    let limits = found.unwrap().limits;
    assert!(
        limits.iter().all(|limit| limit.used.is_some()),
        "{limits:?}"
    );
    // Of one that is closed the rows cannot be counted; there is a page all the same.
    site.tenancy.suspend(&"NORTH".parse().unwrap()).unwrap();
    site.get("/tenants/NORTH")
        .await
        .has("unknown of 500")
        .has("0 of 10<");
}

#[tokio::test]
async fn an_application_with_subscriptions_of_its_own_says_so() {
    let mut site = Site::logged_in().await;
    site.create("NORTH", "North");
    site.create("SOUTH", "South");
    let own = |_: &Tenancy, tenant: &TenantRecord| match tenant.id.as_str() {
        "NORTH" => {
            let mut own = Subscription::new("Gold <b>", "paid", true);
            own.limits.push(Limit::new("cats", Some(9), Some(9)));
            own.limits.push(Limit::new("dogs", Some(1), None));
            Ok(Some(own))
        }
        _ => Err("the billing service is away".into()),
    };
    let console = Console::new(site.tenancy.clone()).subscriptions(own);
    site.app = Router::new().nest("/ops/console", console.router());
    site.get("/tenants/NORTH")
        .await
        .has("Gold &#60;b&#62;")
        .has("9 of 9")
        .has("class=\"full\"")
        .has("1 of any number");
    site.get("/tenants/SOUTH")
        .await
        .has("the billing service is away");
}
