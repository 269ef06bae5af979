//! A tenant is emptied: a new database from the template, the old one kept.
use std::path::Path;

use diesel_tenants::error::{LifecycleError, RecreateError};
use diesel_tenants::{BackupReason, RecreateOptions, prelude::*};

use crate::actors::{say, told};
use crate::app::{Fleet, admit, builder, fleet, fleet_with, names, tenant_migrations, wards};
use crate::crashes::{self, Operation};
use crate::world;

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// The parts of this module; see [`actors`](crate::actors).
pub(crate) fn act(part: &str, root: &Path) -> bool {
    match part {
        "recreate" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.recreate(&id("TH001"), "TH001").unwrap();
            say("recreated");
        }
        "recreate without backup" => {
            let tenancy = builder(root).open().unwrap();
            let options = RecreateOptions::default().without_backup();
            tenancy
                .recreate_with(&id("TH001"), "TH001", &options)
                .unwrap();
            say("recreated");
        }
        "recreate twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let options = RecreateOptions::default().without_backup();
            let first = tenancy.recreate_with(&id("TH001"), "TH001", &options);
            say(match &first {
                Ok(_) => "recreated".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            // Whatever became of it, the tenant is in use: with all of its rows, or with none.
            let mut ctx = tenancy.tenant(&id("TH001")).unwrap();
            match ctx.generation() {
                1 => assert_eq!(names(&mut ctx), ["one", "two", "three"]),
                _ => assert!(names(&mut ctx).is_empty()),
            }
            admit(&mut ctx, "four").unwrap();
            drop(ctx);
            tenancy.recreate(&id("TH001"), "TH001").unwrap();
            say("done");
        }
        _ => return false,
    }
    true
}

const RECREATE: Operation = Operation {
    part: "recreate",
    before: crashes::with_rows,
    outcome: |tenancy| {
        let tenant = tenancy.handle(&id("TH001")).unwrap();
        let mut ctx = tenant.enter().unwrap();
        let is_new = ctx.generation() > 1;
        match is_new {
            true => assert!(names(&mut ctx).is_empty()),
            false => assert_eq!(names(&mut ctx), ["one", "two", "three"]),
        }
        ctx.transaction(|ctx| admit(ctx, "writable")).unwrap();
        is_new
    },
};

#[cfg(feature = "failpoints")]
#[test]
fn recreate_at_every_step() {
    crashes::failpoints::every_step(&RECREATE, 10);
}

#[test]
fn killed_and_failing_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    // A backup has a sweep of its own.
    let kills = crashes::kill_at_system_calls(&Operation {
        part: "recreate without backup",
        ..RECREATE
    });
    assert!(kills >= 15, "{kills}: the sweep did not get far");
    let failures = crashes::fail_at_system_calls("recreate twice", &RECREATE);
    assert!(failures >= 4, "{failures}: the sweep did not get far");
}

#[test]
fn the_power_may_fail_at_any_moment() {
    if crashes::strace_works() {
        let failures = crate::power::fail_power(&Operation {
            part: "recreate without backup",
            ..RECREATE
        });
        assert!(failures >= 10, "{failures}: the sweep did not get far");
    }
}

fn with_rows() -> (Fleet, TenantHandle) {
    let fleet = fleet();
    let tenant = fleet.create("A1");
    admit(&mut tenant.enter().unwrap(), "old").unwrap();
    (fleet, tenant)
}

#[test]
fn a_recreated_tenant_is_empty_and_its_old_database_is_kept() {
    let (fleet, tenant) = with_rows();
    let before = tenant.record().unwrap();
    let done = fleet.tenancy.recreate(&id("A1"), "A1").unwrap();
    assert_eq!((done.generation, done.kept, done.lost), (2, Some(1), None));
    assert!(fleet.file(&tenant, 1).exists());
    let backup = done.backup.expect("one is taken before");
    assert_eq!(backup.reason, BackupReason::BeforeRecreate);
    assert_eq!(backup.generation, 1);
    let mut ctx = tenant.enter().unwrap();
    assert!(names(&mut ctx).is_empty());
    admit(&mut ctx, "new").unwrap();
    drop(ctx);
    let after = tenant.record().unwrap();
    assert_eq!((after.uuid, after.status), (before.uuid, Status::Active));
    // The kept one takes no writes any more, whoever has it open.
    world::check(&fleet.root);
    let options = RecreateOptions::default().without_backup();
    let again = fleet.tenancy.recreate_with(&id("A1"), "A1", &options);
    let again = again.unwrap();
    assert_eq!((again.generation, again.kept), (3, Some(2)));
    assert_eq!(again.backup, None);
    world::check(&fleet.root);
}

/// No row that was acknowledged is lost: what a process with a warm connection wrote up to the fence is in the backup.
#[test]
fn the_backup_has_every_acknowledged_row_of_other_processes() {
    let fleet = fleet();
    fleet.create("TH001");
    let mut writer = crate::actors::Actor::spawn("write", &fleet.root);
    assert_eq!(writer.hear().unwrap(), "ready");
    for expected in 0..20 {
        assert_eq!(writer.hear().unwrap(), expected.to_string());
    }
    let done = fleet.tenancy.recreate(&id("TH001"), "TH001").unwrap();
    let mut acknowledged = 20;
    while let Ok(number) = writer.hear().unwrap().parse::<usize>() {
        assert_eq!(number, acknowledged);
        acknowledged += 1;
    }
    let file = done.backup.unwrap().path.join("db.sqlite3");
    let url = format!("file://{}?mode=ro&immutable=1", file.display());
    let mut backup = SqliteConnection::establish(&url).unwrap();
    let rows = diesel::RunQueryDsl::get_result(crate::app::patients::table.count(), &mut backup);
    assert_eq!(rows, Ok(acknowledged as i64));
}

/// A backup that cannot be taken of a database that is whole stops it all.
#[test]
fn without_a_backup_nothing_is_emptied() {
    let (fleet, tenant) = with_rows();
    let backups = fleet.root.join("backups");
    std::fs::remove_dir(&backups).unwrap();
    std::fs::write(&backups, "in the way").unwrap();
    let refused = fleet.tenancy.recreate(&id("A1"), "A1").unwrap_err();
    assert!(
        matches!(refused, RecreateError::Backup { .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("without_backup"), "{refused}");
    assert_eq!(names(&mut tenant.enter().unwrap()), ["old"]);
    let options = RecreateOptions::default().without_backup();
    fleet
        .tenancy
        .recreate_with(&id("A1"), "A1", &options)
        .unwrap();
    assert!(names(&mut tenant.enter().unwrap()).is_empty());
}

#[test]
fn recreating_needs_the_id() {
    let (fleet, tenant) = with_rows();
    for wrong in ["", "a1", "yes", "A1 "] {
        let error = fleet.tenancy.recreate(&id("A1"), wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            "emptying a tenant needs its id, `A1`, typed exactly as confirmation"
        );
    }
    assert_eq!(names(&mut tenant.enter().unwrap()), ["old"]);
    // An archived tenant is on its way out.
    fleet.tenancy.suspend(&id("A1")).unwrap();
    fleet.tenancy.archive(&id("A1")).unwrap();
    let archived = fleet.tenancy.recreate(&id("A1"), "A1").unwrap_err();
    assert!(
        matches!(
            archived,
            RecreateError::Lifecycle(LifecycleError::WrongStatus {
                status: Status::Archived,
                ..
            })
        ),
        "{archived:?}"
    );
}

/// A `-wal` that lies where the new database would be is replayed into it by SQLite: a copied template would come up
/// with the rows of somebody who was deleted long ago.
#[test]
fn a_stale_wal_in_the_place_of_the_new_database_is_refused() {
    let (fleet, tenant) = with_rows();
    let stale = stale_wal(&fleet);
    for side in ["-wal", "-journal"] {
        let generation = tenant.record().unwrap().generation;
        // Each attempt takes the next number, whether it succeeds or not.
        let next = if side == "-wal" { 2 } else { 4 };
        let planted = format!("{}{side}", fleet.file(&tenant, next).display());
        std::fs::write(&planted, &stale).unwrap();
        let refused = fleet.tenancy.recreate(&id("A1"), "A1").unwrap_err();
        assert!(refused.to_string().contains("is not fresh"), "{refused}");
        assert_eq!(tenant.record().unwrap().generation, generation);
        if side == "-wal" {
            assert_eq!(names(&mut tenant.enter().unwrap()), ["old"]);
        }
        let done = fleet.tenancy.recreate(&id("A1"), "A1").unwrap();
        assert_eq!(done.generation, next + 1);
        assert!(names(&mut tenant.enter().unwrap()).is_empty());
        std::fs::remove_file(planted).unwrap();
    }
    world::check(&fleet.root);
}

/// The WAL of a database that was copied while it was open, with rows in it.
fn stale_wal(fleet: &Fleet) -> Vec<u8> {
    let donor = fleet.create("DONOR");
    let mut ctx = donor.enter().unwrap();
    for n in 0..100 {
        admit(&mut ctx, &format!("of somebody else {n}")).unwrap();
    }
    // The donor is not asked for anything afterwards, so reading its WAL behind SQLite's back harms nobody.
    let wal = std::fs::read(format!("{}-wal", fleet.file(&donor, 1).display())).unwrap();
    assert!(wal.len() > 4096);
    wal
}

#[test]
fn a_tenant_whose_database_is_lost_is_recreated() {
    type Lose = fn(&Path);
    let ways: [(&str, Lose); 3] = [
        ("missing", |file| std::fs::remove_file(file).unwrap()),
        ("empty", |file| std::fs::write(file, b"").unwrap()),
        ("damaged", |file| std::fs::write(file, [7; 8192]).unwrap()),
    ];
    for (way, lose) in ways {
        let fleet = fleet();
        let tenant = fleet.create("A1");
        let file = fleet.file(&tenant, 1);
        lose(&file);
        let done = fleet.tenancy.recreate(&id("A1"), "A1").unwrap();
        let lost = done.lost.expect(way);
        assert!(lost.contains(way), "{way}: {lost}");
        assert_eq!(done.backup, None);
        assert_eq!(done.kept, (way != "missing").then_some(1), "{way}");
        assert_eq!(file.exists(), way != "missing", "what is damaged is kept");
        admit(&mut tenant.enter().unwrap(), "new").unwrap();
        world::check(&fleet.root);
    }
}

/// Its database was made by migrations of long ago; the new one has all of today's.
#[test]
fn a_recreated_tenant_has_the_schema_of_the_template() {
    let fleet = fleet_with(|b| b.tenant_migrations(diesel_tenants::MigrationSet::new([wards()])));
    let tenant = fleet.create("A1");
    admit(&mut tenant.enter().unwrap(), "old").unwrap();
    let now = builder(&fleet.root)
        .tenant_migrations(tenant_migrations())
        .open()
        .unwrap();
    assert!(now.tenant(&id("A1")).is_err(), "behind");
    now.recreate(&id("A1"), "A1").unwrap();
    let record = now.tenants().unwrap()[0].clone();
    assert_eq!(record.schema_version.as_deref(), Some("20260102000000"));
    assert!(names(&mut now.tenant(&id("A1")).unwrap()).is_empty());
    let fresh = now.create(&id("B1"), NewTenant::named("x")).unwrap();
    assert_eq!(
        fresh.record().unwrap().schema_fingerprint,
        record.schema_fingerprint
    );
}

#[test]
fn a_suspended_tenant_stays_suspended_and_one_on_hold_loses_nothing() {
    let (fleet, tenant) = with_rows();
    fleet.tenancy.hold(&id("A1"), "court order").unwrap();
    fleet.tenancy.suspend(&id("A1")).unwrap();
    let done = fleet.tenancy.recreate(&id("A1"), "A1").unwrap();
    assert!(fleet.file(&tenant, done.kept.unwrap()).exists());
    let record = tenant.record().unwrap();
    assert_eq!(record.status, Status::Suspended);
    assert!(record.legal_hold.is_some());
}
