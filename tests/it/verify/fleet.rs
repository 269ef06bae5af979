//! A whole fleet: within the budget of connections, with what is nobody's, and remembered.
use std::fs;
use std::time::{Duration, Instant};

use diesel::QueryResult;
use diesel::connection::SimpleConnection;
use diesel_tenants::PoolConfig;
use diesel_tenants::verify::{Health, VerifyOptions};

use super::{everything, fleet, id, run};
use crate::app;

#[test]
fn a_fleet_is_verified_within_the_budget() {
    let tenants = match std::env::var("DIESEL_TENANTS_SWEEP").as_deref() {
        Ok("full") => 1000,
        _ => 60,
    };
    let budget = 3;
    let pool = PoolConfig::default().with_max_connections(budget).unwrap();
    let fleet = app::fleet_with(|builder| builder.pool(pool));
    for number in 0..tenants {
        fleet.create(&format!("T{number:04}"));
    }
    let broken: [diesel_tenants::TenantId; 2] = ["T0003", "T0041"].map(|id| id.parse().unwrap());
    for id in &broken {
        use diesel::connection::SimpleConnection;
        let mut ctx = fleet.tenancy.tenant(id).unwrap();
        ctx.unrouted("damage", |raw| {
            raw.connection().batch_execute("DROP TABLE archive")
        })
        .unwrap();
    }
    let opened = fleet.tenancy.stats().opened;
    let (mut done, mut most) = (0, 0);
    let options = VerifyOptions::default().workers(16);
    let tenancy = fleet.tenancy.clone();
    let found = fleet
        .tenancy
        .verify_fleet(&options, |progress| {
            done += 1;
            assert_eq!((progress.done, progress.total), (done, tenants));
            most = most.max(tenancy.stats().open);
        })
        .unwrap();
    assert!(
        done == tenants && (1..=budget).contains(&most),
        "{done} {most}"
    );
    assert!(
        found.failed.is_empty() && found.orphans.is_empty() && found.shared.is_ready(),
        "{found:?}"
    );
    let wrong: Vec<_> = found
        .tenants
        .iter()
        .filter(|tenant| !tenant.is_ready())
        .map(|t| t.id.unwrap())
        .collect();
    assert_eq!(wrong, broken);
    assert_eq!(found.counts()[&Health::Ready], tenants - 2);
    // Each was opened once, by the pool.
    assert_eq!(fleet.tenancy.stats().opened - opened, tenants as u64);

    // A list of all tenants with their icons: one question, no tenant's database.
    let kept = fleet.tenancy.health_of_all().unwrap();
    assert_eq!(kept.len(), tenants);
    assert_eq!(kept[&broken[0]].status, Health::Incomplete);
    assert_eq!(
        kept[&broken[0]].findings.last().unwrap().kind,
        "missing_table"
    );
    println!("{tenants} tenants in {:?}", found.took);
}

#[test]
fn directories_that_are_nobodys_are_found() {
    let fleet = fleet();
    let gone = fleet.create("B1");
    let directory = fleet.file(&gone, 1).parent().unwrap().to_owned();
    let tenancy = &fleet.tenancy;
    let b = "B1".parse().unwrap();
    tenancy.suspend(&b).unwrap();
    tenancy.archive(&b).unwrap();
    tenancy
        .delete(&b, "B1", diesel_tenants::Retention::NONE)
        .unwrap();
    tenancy.purge(&b, "B1").unwrap();
    assert!(tenancy.orphans().unwrap().is_empty());
    fs::create_dir(&directory).unwrap();
    fs::create_dir(fleet.root.join("tenants/c1-00000000")).unwrap();
    let orphans = tenancy.orphans().unwrap();
    assert_eq!(orphans.len(), 2);
    assert!(
        orphans[0]
            .to_string()
            .ends_with("belongs to tenant `B1`, which was deleted: its data is still there")
    );
    assert!(
        orphans[1]
            .to_string()
            .starts_with("\"c1-00000000\" belongs to no tenant of this catalogue")
    );
    let found = tenancy
        .verify_fleet(&VerifyOptions::default(), |_| {})
        .unwrap();
    assert!(found.orphans == orphans && !found.is_ready());
}

#[test]
fn what_was_found_is_kept_until_the_database_is_another() {
    let fleet = fleet();
    assert_eq!(fleet.tenancy.health(&id()).unwrap(), None);
    let quiet = VerifyOptions::default().remember(false);
    fleet.tenancy.verify(&id(), &quiet).unwrap();
    assert_eq!(fleet.tenancy.health(&id()).unwrap(), None);
    run(&fleet.tenancy, "DROP VIEW busy");
    fleet
        .tenancy
        .verify(&id(), &VerifyOptions::default())
        .unwrap();
    let kept = app::fleet_again(&fleet, everything())
        .health(&id())
        .unwrap()
        .unwrap();
    assert_eq!(kept.status, Health::Incomplete);
    assert_eq!(kept.findings[0].kind, "missing_view");
    assert_eq!(fleet.tenancy.health_of_all().unwrap().len(), 1);
    fleet.tenancy.compact(&id()).unwrap();
    assert_eq!(fleet.tenancy.health_of_all().unwrap().len(), 0);
    assert_eq!(
        fleet.tenancy.health(&id()).unwrap(),
        None,
        "it was another file"
    );
}

#[test]
fn a_fleet_is_ready_when_all_of_it_is() {
    use diesel::connection::SimpleConnection;
    let fleet = fleet();
    let ready = || {
        let options = VerifyOptions::default();
        let verified = fleet.tenancy.verify_fleet(&options, |_| {});
        verified.unwrap().is_ready()
    };
    let in_shared = |sql: &str| {
        let mut shared = fleet.tenancy.shared().unwrap();
        let done = shared.unrouted("test", |raw| raw.connection().batch_execute(sql));
        done.unwrap();
    };
    assert!(ready());
    run(&fleet.tenancy, "CREATE TABLE extra (x)");
    assert!(!ready(), "one tenant is not");
    run(&fleet.tenancy, "DROP TABLE extra");
    assert!(ready());
    in_shared("CREATE TABLE extra (x)");
    assert!(!ready(), "the shared database is not");
    in_shared("DROP TABLE extra");
    assert!(ready());
    in_shared(
        "UPDATE __tenants_tenants SET status = 'failed', change_seq = change_seq + 1000;
         UPDATE __tenants_catalog SET change_seq = change_seq + 1000",
    );
    assert!(!ready(), "one cannot be looked into");
}

/// One statement on the catalogue threw away what was found of a whole fleet.
#[test]
fn what_cannot_be_kept_is_told_all_the_same() {
    let fleet = fleet();
    let in_shared = |sql: &str| {
        let mut shared = fleet.tenancy.shared().unwrap();
        shared
            .unrouted("test", |raw| raw.connection().batch_execute(sql))
            .unwrap();
    };
    in_shared(
        "CREATE TRIGGER no_room BEFORE INSERT ON __tenants_health BEGIN SELECT RAISE(ABORT, 'no room'); END",
    );
    let all = VerifyOptions::default();
    let found = fleet.tenancy.verify_fleet(&all, |_| {}).unwrap();
    assert_eq!(found.counts()[&Health::Ready], 1);
    let (lost, why) = found.not_remembered.unwrap();
    assert_eq!(lost, [id()]);
    assert!(format!("{why:?}").contains("no room"), "{why:?}");
    in_shared("DROP TRIGGER no_room");

    // Kept locked for longer than a statement waits: it is tried again.
    let hasty = app::builder(&fleet.root).tenant_migrations(everything());
    let hasty = hasty
        .busy_timeout(Duration::from_millis(20))
        .open()
        .unwrap();
    let fleet = &fleet;
    let (begun, has_begun) = std::sync::mpsc::channel();
    std::thread::scope(|threads| {
        let mut holder = None;
        let found = hasty.verify_fleet(&all, |_| {
            let begun = begun.clone();
            holder = Some(threads.spawn(move || {
                let mut shared = fleet.tenancy.shared().unwrap();
                let held = shared.transaction(|_| {
                    begun.send(()).unwrap();
                    let since = Instant::now();
                    while since.elapsed() < Duration::from_millis(200) {
                        std::thread::yield_now();
                    }
                    QueryResult::Ok(())
                });
                held.unwrap();
            }));
            has_begun.recv().unwrap();
        });
        assert!(found.unwrap().not_remembered.is_none());
        holder.unwrap().join().unwrap();
    });
    let kept = hasty.health(&id()).unwrap().unwrap();
    assert_eq!(kept.status, Health::Ready);
}
