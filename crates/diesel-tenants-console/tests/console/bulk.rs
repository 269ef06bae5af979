//! What is done to all that match, and runs that outlive their process.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use diesel_tenants::audit::AuditFilter;
use diesel_tenants::fleet::RunOutcome;
use diesel_tenants::{MigrateFleet, MigrationScript, MigrationSet};

use super::list::many;
use super::*;

const LATE: &str = "29990101000000";

/// Three tenants, and then a newer program over the same data with one more migration.
async fn upgraded() -> Site {
    let site = Site::logged_in().await;
    for id in ["ANNA", "BERT", "CARL"] {
        site.create(id, id);
    }
    site.again()
}

impl Site {
    /// The same data and session, in a program that has one more migration.
    fn again(self) -> Self {
        let late = "ALTER TABLE pharmacy_sales ADD COLUMN late TEXT";
        let late = MigrationScript::new(LATE, "late", late);
        let set = MigrationSet::from(TENANT_MIGRATIONS).and(late);
        let builder = builder(self._dir.path()).tenant_migrations(set);
        Self::of(builder, self._dir, self.username, self.cookies)
    }

    /// Who did that, of the fleet, last.
    fn who(&self, action: &str) -> String {
        let filter = AuditFilter::all().action(action).newest_first();
        let entries = self.tenancy.audit_entries(&filter, 1).unwrap();
        entries[0].actor.clone()
    }

    fn versions(&self) -> usize {
        let tenants = self.tenancy.tenants().unwrap();
        let late = tenants
            .iter()
            .filter(|it| it.schema_version.as_deref() == Some(LATE));
        late.count()
    }
}

#[tokio::test]
async fn all_that_match_on_whichever_page() {
    let site = Site::logged_in().await;
    site.create("FIRST", "First");
    let first = "FIRST".parse().unwrap();
    site.tenancy
        .verify(&first, &VerifyOptions::default())
        .unwrap();
    many(&site, 130);
    let page = site.get("/tenants?q=hospital").await;
    page.has("With all that match (130):").has("page 1 of 3");
    let fields = [("q", "hospital"), ("status", "active"), ("health", "ready")];
    let answer = site.post("/matching/verify", &fields).await;
    site.get(&format!("{}/events", answer.location())).await;
    let page = site.get(answer.location()).await;
    page.has("130 of 130 done, 130 need a look")
        .has("100 of them");
    assert_eq!(page.body.matches("<li class=\"card\">").count(), 100);
    // The one that did not match was not looked at, and is as it was.
    site.get("/tenants?health=ready").await.has("1 of 131");
    site.get("/tenants?health=missing").await.has("130 of 131");

    for (fields, status) in [
        (&[("q", "nobody at all")][..], StatusCode::BAD_REQUEST),
        (&[("status", "nonsense")][..], StatusCode::BAD_REQUEST),
    ] {
        let answer = site.post("/matching/back-up", fields).await;
        assert_eq!(answer.status, status, "{fields:?}");
    }
    // Nothing that takes something away is for many.
    for action in [
        "suspend", "archive", "delete", "purge", "recreate", "restore", "undo", "discard",
        "release", "create", "repair", "nonsense",
    ] {
        for what in ["matching", "selected"] {
            let fields = [("tenant", "FIRST"), ("typed", "FIRST"), ("days", "0")];
            let answer = site.post(&format!("/{what}/{action}"), &fields).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{what} {action}");
        }
    }
    assert_eq!(site.status(&first), Status::Active);
    assert!(
        site.tenancy
            .backups(&BackupFilter::all())
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_in_this_process_is_stopped() {
    let site = Site::logged_in().await;
    for id in ["ANNA", "BERT", "CARL"] {
        site.create(id, id);
    }
    // The first one waits for the catalogue, which somebody else is writing to.
    let path = site._dir.path().join("data/shared.sqlite3");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    use diesel::connection::SimpleConnection;
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let token = site.get("/tenants").await.token();
    let body = form(&[("token", token.clone())]);
    let cookies = site.cookies.clone();
    let answer = site
        .ask(
            Method::POST,
            "/matching/verify",
            &cookies,
            Some(body.clone()),
        )
        .await;
    let page = site.get(answer.location()).await;
    page.has("data-events").has("/stop\"");
    let stop = format!("{}/stop", answer.location());
    let stopped = site.ask(Method::POST, &stop, &cookies, Some(body)).await;
    assert_eq!(stopped.location(), answer.location());
    site.get(answer.location()).await.has("being stopped");
    other.batch_execute("ROLLBACK").unwrap();
    site.get(&format!("{}/events", answer.location())).await;
    site.get(answer.location())
        .await
        .has("1 of 3 done")
        .has("2 left since it was stopped");
    site.get("/runs").await.has("stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_migrated_as_a_run_of_the_catalogue() {
    let site = Site::logged_in().await;
    for id in ["ANNA", "BERT", "CARL"] {
        site.create(id, id);
    }
    let in_the_way = "ALTER TABLE pharmacy_sales ADD COLUMN late TEXT";
    let mut carl = site.tenancy.tenant(&"CARL".parse().unwrap()).unwrap();
    carl.unrouted("in the way", |raw| {
        diesel::sql_query(in_the_way).execute(raw).map(drop)
    })
    .unwrap();
    drop(carl);
    let site = site.again();
    site.get("/runs").await.has("None yet");
    // Those that are ticked, then the rest.
    let answer = site.post("/selected/migrate", &[("tenant", "BERT")]).await;
    let run = answer.location().to_owned();
    assert!(run.starts_with("/ops/console/fleet/"), "{run}");
    site.get(&format!("{run}/events")).await.has("event: end");
    site.get(&run)
        .await
        .has("1 of 1 done")
        .has("Done")
        .has(LATE);
    assert_eq!(site.versions(), 1);
    assert!(site.who("migrate-fleet.begin").starts_with("user:"));
    let answer = site.post("/matching/migrate", &[]).await;
    let run = answer.location().to_owned();
    site.get(&format!("{run}/events")).await;
    let page = site.get(&run).await;
    page.has("1 failed").has("CARL").has("duplicate column");
    assert_eq!(site.versions(), 2);
    site.get("/runs").await.has("Done").has(&run);
    let answer = site.post("/selected/migrate", &[("tenant", "ANNA")]).await;
    assert_eq!(answer.location(), "/ops/console/runs?nothing");
    site.get("/runs?nothing").await.has("nothing to migrate");
    let unknown = site.post("/selected/migrate", &[("tenant", "GONE")]).await;
    assert_eq!(unknown.status, StatusCode::CONFLICT);
    for path in ["/fleet/x", "/fleet/0190a0a0-0000-7000-8000-000000000000"] {
        assert_eq!(site.get(path).await.status, StatusCode::NOT_FOUND);
        for what in ["stop", "resume"] {
            let answer = site.post(&format!("{path}/{what}"), &[]).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}/{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_watched_and_stopped_whoever_works_on_it() {
    let site = upgraded().await;
    let (reached, is_reached) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = parking_lot::Mutex::new(may_go_on);
    let options = MigrateFleet::default().workers(1).before_each(move |_| {
        reached.send(())?;
        may_go_on.lock().recv()?;
        Ok(())
    });
    let tenancy = site.tenancy.clone();
    let other = std::thread::spawn(move || tenancy.migrate_fleet(&options, |_| {}));
    is_reached.recv().unwrap();
    let run = site.tenancy.fleet_runs().unwrap()[0].id;
    let at = format!("/fleet/{run}");
    site.get(&at)
        .await
        .has("data-events")
        .has("Under way")
        .has("0 of 3 done");
    // Another choice of tenants has to wait.
    let answer = site.post("/selected/migrate", &[("tenant", "ANNA")]).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    answer.has("one run at a time");
    let answer = site.post(&format!("{at}/stop"), &[]).await;
    assert_eq!(answer.location(), format!("/ops/console{at}"));
    assert!(site.who("migrate-fleet.stop").starts_with("user:"));
    go_on.send(()).unwrap();
    let report = other.join().unwrap().unwrap();
    assert_eq!(report.outcome, RunOutcome::Stopped);
    site.get(&format!("{at}/events")).await.has("event: end");
    site.get(&at)
        .await
        .has("Stopped")
        .has("1 of 3 done")
        .has_not("data-events");
    assert_eq!(site.versions(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_process_died_is_shown_and_gone_on_with() {
    let site = upgraded().await;
    // It dies over the second of the two it was begun for.
    let two = ["ANNA".parse().unwrap(), "CARL".parse().unwrap()];
    let count = std::sync::atomic::AtomicUsize::new(0);
    let options = MigrateFleet::default()
        .workers(1)
        .only(two)
        .before_each(move |_| {
            assert!(
                count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0,
                "dies here"
            );
            Ok(())
        });
    let tenancy = site.tenancy.clone();
    let died = catch_unwind(AssertUnwindSafe(|| tenancy.migrate_fleet(&options, |_| {})));
    assert!(died.is_err());
    // As after a restart: the one that began it is gone, and the same data is opened anew.
    drop(tenancy);
    let site = site.again();
    let run = site.tenancy.fleet_runs().unwrap()[0].id;
    let at = format!("/fleet/{run}");
    site.get("/runs").await.has("Interrupted").has(&at);
    site.get(&at)
        .await
        .has("Interrupted")
        .has("1 of 2 done")
        .has("Go on with it");
    let answer = site.post(&format!("{at}/resume"), &[]).await;
    assert_eq!(answer.location(), format!("/ops/console{at}"));
    site.get(&format!("{at}/events")).await;
    site.get(&at)
        .await
        .has("2 of 2 done")
        .has_not("Interrupted");
    assert_eq!(site.versions(), 2, "those it was begun for, and no other");
}
