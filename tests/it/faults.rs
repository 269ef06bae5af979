//! What an operation, a context or the library itself does after something has failed under it.
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel_tenants::error::{CreateError, LifecycleError, PurgeError, TenantFenced};
use diesel_tenants::{
    BackupOptions, BackupRef, CloneOptions, OpenError, PurgeOptions, RestoreOptions, Retention,
    prelude::*,
};

use crate::app::{Fleet, admit, builder, delete_at_once, fleet, fleet_with, names};
use crate::world;

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// Makes every change of a tenant's row that matches `condition` fail, and its transaction with it, as a full disk does.
pub(crate) fn break_catalogue(fleet: &Fleet, condition: &str) {
    let trigger = format!(
        "CREATE TRIGGER broken BEFORE UPDATE ON __tenants_tenants WHEN {condition}
         BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END"
    );
    let mut shared = fleet.tenancy.shared().unwrap();
    let made = shared.unrouted("test", |raw| raw.connection().batch_execute(&trigger));
    made.unwrap();
}

pub(crate) fn mend_catalogue(fleet: &Fleet) {
    let mut shared = fleet.tenancy.shared().unwrap();
    let mended = shared.unrouted("test", |raw| {
        raw.connection().batch_execute("DROP TRIGGER broken")
    });
    mended.unwrap();
}

fn status(fleet: &Fleet, tenant: &TenantHandle) -> Status {
    fleet.tenancy.tenants().unwrap();
    tenant.record().unwrap().status
}

/// Says that this name is in the catalogue as a newer build may write it: no cache can be brought up to that.
fn rename_z9(tenancy: &Tenancy, name: &str) {
    let sql = format!(
        "UPDATE __tenants_catalog SET change_seq = change_seq + 1;
         UPDATE __tenants_tenants SET display_name = '{name}',
            change_seq = (SELECT change_seq FROM __tenants_catalog) WHERE tenant_id = 'Z9'"
    );
    let mut shared = tenancy.shared().unwrap();
    let done = shared.unrouted("test", |raw| raw.connection().batch_execute(&sql));
    done.unwrap();
}

/// Does something while the catalogue can be changed and not be read again, and then opens the tenant it was done to.
fn unread<T>(tenancy: &Tenancy, tenant: &str, change: impl FnOnce() -> T) -> T {
    rename_z9(tenancy, "");
    let done = change();
    let refused = tenancy.tenant(&id(tenant)).unwrap_err();
    assert!(matches!(refused, OpenError::Catalog(_)), "{refused:?}");
    rename_z9(tenancy, "Z9 Hospital");
    tenancy.tenant(&id(tenant)).unwrap();
    done
}

/// It was reported as failed, and whoever did it again made a second one, or took it back.
#[test]
fn what_is_committed_has_succeeded_although_nobody_can_read_it_again() {
    let hour = Duration::from_secs(3600);
    let fleet = fleet_with(|builder| builder.freshness(hour));
    let tenancy = &fleet.tenancy;
    for tenant in ["Z9", "A1", "D1", "O1"] {
        fleet.create(tenant);
    }
    let new = |name: &str| NewTenant::named(name);
    tenancy.reserve(&id("R1"), new("R1")).unwrap();
    let backup = tenancy.backup(&id("A1"), &BackupOptions::new()).unwrap();
    let backup = BackupRef::id(backup.id);

    let uuid = unread(tenancy, "C1", || {
        tenancy.create(&id("C1"), new("C1")).unwrap().uuid()
    });
    assert_eq!(tenancy.handle(&id("C1")).unwrap().uuid(), uuid);
    unread(tenancy, "R1", || {
        tenancy.complete(&id("R1")).unwrap();
    });
    rename_z9(tenancy, "");
    let reserved = tenancy.reserve(&id("R2"), new("R2")).unwrap();
    rename_z9(tenancy, "Z9 Hospital");
    assert_eq!(reserved.record().unwrap().status, Status::Reserved);
    unread(tenancy, "E1", || {
        let options = CloneOptions::new();
        let cloned = tenancy.clone_from_backup(&backup, &id("E1"), new("E1"), &options);
        assert_eq!(cloned.unwrap().id(), id("E1"));
    });

    let options = RestoreOptions::confirmed("A1");
    let restored = unread(tenancy, "A1", || {
        tenancy.restore(&id("A1"), &backup, &options).unwrap()
    });
    assert_eq!((restored.generation, restored.kept), (2, Some(1)));
    // Done again because of an error, it would take itself back.
    let undone = unread(tenancy, "A1", || tenancy.undo(&id("A1"), "A1").unwrap());
    assert_eq!((undone.copy_of, undone.kept), (1, Some(2)));
    let emptied = unread(tenancy, "A1", || tenancy.recreate(&id("A1"), "A1").unwrap());
    assert_eq!(emptied.kept, Some(3));

    tenancy.suspend(&id("D1")).unwrap();
    tenancy.archive(&id("D1")).unwrap();
    rename_z9(tenancy, "");
    let date = tenancy.delete(&id("D1"), "D1", Retention::days(30));
    rename_z9(tenancy, "Z9 Hospital");
    let deleted = tenancy.handle(&id("D1")).unwrap().record().unwrap();
    assert_eq!(deleted.delete_after, Some(date.unwrap()));

    let uuid = tenancy.handle(&id("O1")).unwrap().uuid();
    let sql = "PRAGMA foreign_keys = OFF; DELETE FROM __tenants_tenants WHERE tenant_id = 'O1'";
    let mut shared = tenancy.shared().unwrap();
    let lost = shared.unrouted("test", |raw| raw.connection().batch_execute(sql));
    lost.unwrap();
    drop(shared);
    let other = builder(&fleet.root).freshness(hour).open().unwrap();
    let back = unread(&other, "O1", || {
        other.reclaim_orphan(uuid, new("O1")).unwrap().id()
    });
    assert_eq!(back, id("O1"));
}

/// A tenant that could not be looked up counted as one that nobody knows: a name that was mistyped, and nothing to look into.
#[test]
fn a_tenant_that_cannot_be_looked_up_is_no_unknown_one() {
    let fleet = fleet_with(|builder| builder.freshness(Duration::ZERO));
    fleet.create("A1");
    let catalogue = |from: &str, to: &str| {
        let renamed = format!("ALTER TABLE {from} RENAME TO {to}");
        let mut shared = fleet.tenancy.shared().unwrap();
        let done = shared.unrouted("test", |raw| raw.connection().batch_execute(&renamed));
        done.unwrap();
    };
    catalogue("__tenants_catalog", "away");
    let report = fleet
        .tenancy
        .purge_due(["A1", "Z9"], &PurgeOptions::default(), |_, _| {
            catalogue("away", "__tenants_catalog");
        });
    let report = report.unwrap();
    assert_eq!(report.unknown, ["Z9"]);
    let [(tenant, error)] = &report.failed[..] else {
        panic!("{report:?}");
    };
    assert_eq!(*tenant, id("A1"));
    assert!(
        matches!(
            error,
            PurgeError::Lifecycle(LifecycleError::Open(OpenError::Catalog(_)))
        ),
        "{error:?}"
    );
}

/// An operation is known as this process' own before anybody can find it in the journal.
#[test]
fn no_thread_settles_what_another_one_works_on() {
    let fleet = fleet();
    fleet.create("A1");
    let working = AtomicUsize::new(2);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..20 {
                    match fleet.tenancy.compact(&id("A1")) {
                        Ok(_) | Err(LifecycleError::InProgress { .. }) => {}
                        Err(LifecycleError::WrongStatus { .. }) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                working.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while AtomicUsize::load(&working, Ordering::SeqCst) > 0 {
            assert_eq!(fleet.tenancy.recover().unwrap(), 0, "nobody has died");
        }
    });
    world::check(&fleet.root);
}

/// Maintenance of a database that is lost fails, and leaves its tenant in a status from which it can be deleted.
#[test]
fn a_tenant_whose_database_is_lost_can_still_be_deleted() {
    type Lose = fn(&std::path::Path);
    let ways: [(&str, Lose); 3] = [
        ("missing", |file| std::fs::remove_file(file).unwrap()),
        ("empty", |file| std::fs::write(file, b"").unwrap()),
        ("damaged", |file| std::fs::write(file, [7; 8192]).unwrap()),
    ];
    for (way, lose) in ways {
        for migrate in [true, false] {
            let fleet = fleet();
            let tenant = fleet.create("A1");
            lose(&fleet.file(&tenant, 1));
            let failed = match migrate {
                true => fleet.tenancy.migrate_tenant(&id("A1")).map(drop),
                false => fleet.tenancy.compact(&id("A1")).map(drop),
            };
            assert!(failed.is_err(), "{way}");
            assert_eq!(status(&fleet, &tenant), Status::Active, "{way}");
            delete_at_once(&fleet.tenancy, &id("A1"));
            fleet.tenancy.purge(&id("A1"), "A1").unwrap();
            world::check(&fleet.root);
        }
    }
}

/// What could not be undone when it failed, or was left by a process that died, is undone by whoever is turned away.
#[test]
fn a_tenant_left_restoring_is_put_right_when_it_is_entered() {
    for owner_dies in [false, true] {
        let fleet = fleet();
        let tenant = fleet.create("A1");
        admit(&mut tenant.enter().unwrap(), "kept").unwrap();
        // Neither the new generation nor the return to the old one can be written down.
        break_catalogue(&fleet, "NEW.status = 'active'");
        let owner = match owner_dies {
            false => fleet.tenancy.clone(),
            true => fleet.again(),
        };
        owner.compact(&id("A1")).unwrap_err();
        drop(owner);
        assert_eq!(status(&fleet, &tenant), Status::Restoring);
        let refused = tenant.enter().unwrap_err();
        assert!(refused.is_retryable(), "{refused:?}");
        mend_catalogue(&fleet);
        let mut ctx = tenant.enter().unwrap();
        admit(&mut ctx, "more").unwrap();
        assert_eq!(names(&mut ctx), ["kept", "more"]);
        drop(ctx);
        world::check(&fleet.root);
    }
}

/// Within the freshness bound this process believes in the old generation, whose file is fenced or gone.
#[test]
fn a_tenant_that_has_moved_elsewhere_is_entered_where_it_is_now() {
    let fleet = fleet_with(|b| b.freshness(std::time::Duration::from_secs(3600)));
    let tenant = fleet.create("A1");
    for warm in [false, true] {
        if warm {
            admit(&mut tenant.enter().unwrap(), "kept").unwrap();
            fleet.tenancy.reap_idle();
        }
        let second = tenant.enter().unwrap();
        let before = second.generation();
        let compacted = fleet.again().compact(&id("A1")).unwrap();
        // The one idle or open connection is on the old file; another one has to be opened.
        let entered = tenant.enter().unwrap();
        assert_eq!(entered.generation(), compacted.generation);
        assert!(second.generation() == before && before < compacted.generation);
    }
}

/// SQLite knows tables in any case.
#[test]
fn a_table_of_the_other_scope_is_found_in_any_case() {
    let fleet = fleet_with(|b| {
        b.tenant_migrations(diesel_tenants::MigrationSet::new([
            diesel_tenants::MigrationScript::new(
                "20260101000000",
                "users",
                "CREATE TABLE USERS (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);",
            ),
        ]))
    });
    let refused = fleet.tenancy.create(&id("A1"), NewTenant::named("x"));
    let CreateError::Storage(refused) = refused.unwrap_err() else {
        panic!("created with a shared table in it");
    };
    assert!(refused.to_string().contains("`USERS`"), "{refused}");
}

/// The error advises to open a new context: that one must not get the same connection again.
#[test]
fn after_a_fence_the_next_context_is_on_the_new_database() {
    let fleet = fleet_with(|b| b.freshness(std::time::Duration::from_secs(3600)));
    let tenant = fleet.create("A1");
    admit(&mut tenant.enter().unwrap(), "kept").unwrap();
    fleet.again().compact(&id("A1")).unwrap();
    let fenced = admit(&mut tenant.enter().unwrap(), "refused").unwrap_err();
    assert!(TenantFenced::of(&fenced).is_some(), "{fenced:?}");
    let mut ctx = tenant.enter().unwrap();
    admit(&mut ctx, "again").unwrap();
    assert_eq!(
        (ctx.generation(), names(&mut ctx)),
        (2, vec!["kept".into(), "again".into()])
    );
}

/// What says "try again" may be tried again.
#[test]
fn a_database_busy_elsewhere_is_worth_another_try() {
    let wait = std::time::Duration::from_millis(20);
    let fleet = fleet_with(|b| b.drain_timeout(wait));
    let tenant = fleet.create("A1");
    admit(&mut tenant.enter().unwrap(), "one").unwrap();
    let elsewhere = fleet.again();
    let mut reader = elsewhere.tenant(&id("A1")).unwrap();
    reader
        .read_transaction(|reader| {
            assert_eq!(names(reader), ["one"]);
            let busy = fleet.tenancy.compact(&id("A1")).unwrap_err();
            assert!(busy.to_string().contains("try again"), "{busy}");
            assert!(busy.is_retryable(), "{busy:?}");
            QueryResult::Ok(())
        })
        .unwrap();
    drop(reader);
    fleet.tenancy.compact(&id("A1")).unwrap();
}
