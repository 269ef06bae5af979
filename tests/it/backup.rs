//! Backups: taken under writers, refused when they are not what was written, there wholly or not at all.
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use diesel_tenants::prelude::*;
use diesel_tenants::{BackupError, BackupFilter, BackupOptions, BackupReason, BackupRef};

use crate::actors::{Actor, say};
use crate::app::{admit, builder, fleet};
use crate::crashes::{self, Operation};
use crate::world;

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

/// What holds of the backups in a data directory whenever nothing is under way.
pub(crate) fn check(tenancy: &Tenancy, root: &Path) {
    let mut expected = BTreeSet::new();
    for record in tenancy.backups(&BackupFilter::all()).unwrap() {
        tenancy.verify_backup(&BackupRef::from(&record)).unwrap();
        expected.insert(record.path);
    }
    let found = fs::read_dir(root.join("backups")).unwrap();
    let found: BTreeSet<_> = found.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(
        found, expected,
        "files below backups/ and the catalogue disagree"
    );
}

/// The parts of child processes in these tests.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    let options = BackupOptions::new();
    match part {
        "backup" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.backup(&id(), &options).unwrap();
            say("backed up");
        }
        "remove backup" => {
            let tenancy = builder(root).open().unwrap();
            let backups = tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
            tenancy.remove_backup(backups[0].id).unwrap();
            say("removed");
        }
        _ => return false,
    }
    true
}

#[test]
fn a_backup_has_everything_that_was_committed_before() {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "Ada").unwrap();
    // The connection stays open, so that the row is in the WAL only.
    let options = BackupOptions::new().reason(BackupReason::Scheduled);
    let backup = fleet.tenancy.backup(&id(), &options).unwrap();
    assert_eq!(backup.reason, BackupReason::Scheduled);
    assert_eq!(backup.generation, 1);
    assert_eq!(backup.tenant.unwrap().id, id());
    assert_eq!(backup.schema_version.as_deref(), Some("20260102000000"));
    fleet
        .tenancy
        .verify_backup(&BackupRef::from(&backup))
        .unwrap();
    fleet
        .tenancy
        .verify_backup(&BackupRef::path(&backup.path))
        .unwrap();
    assert_eq!(
        fleet.tenancy.backups(&BackupFilter::tenant(&id())).unwrap(),
        std::slice::from_ref(&backup)
    );

    let manifest = fs::read_to_string(backup.path.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let told = &manifest["manifest"];
    assert_eq!(
        told["rows"],
        serde_json::json!({ "archive": 0, "patients": 1, "visits": 0 })
    );
    assert_eq!(told["sha256"], backup.sha256.as_str());
    for (name, mode) in [("", 0o700), ("db.sqlite3", 0o600), ("manifest.json", 0o600)] {
        let found = fs::metadata(backup.path.join(name)).unwrap();
        assert_eq!(found.permissions().mode() & 0o777, mode, "{name}");
    }
    world::check(&fleet.root);
}

#[test]
fn the_shared_database_is_backed_up_with_its_catalogue() {
    let fleet = fleet();
    fleet.create("TH001");
    let backup = fleet.tenancy.backup_shared(&BackupOptions::new()).unwrap();
    assert!(backup.tenant.is_none());
    fleet
        .tenancy
        .verify_backup(&BackupRef::from(&backup))
        .unwrap();
    assert_eq!(
        fleet.tenancy.backups(&BackupFilter::shared()).unwrap(),
        [backup]
    );
    world::check(&fleet.root);
}

#[test]
fn a_pinned_backup_is_not_removed() {
    let fleet = fleet();
    fleet.create("TH001");
    let backup = fleet
        .tenancy
        .backup(&id(), &BackupOptions::new().pinned(true))
        .unwrap();
    let error = fleet.tenancy.remove_backup(backup.id).unwrap_err();
    assert!(matches!(error, BackupError::Pinned { .. }), "{error}");
    fleet.tenancy.pin_backup(backup.id, false).unwrap();
    fleet.tenancy.remove_backup(backup.id).unwrap();
    assert!(!backup.path.exists());
    let error = fleet.tenancy.remove_backup(backup.id).unwrap_err();
    assert!(matches!(error, BackupError::Unknown { .. }), "{error}");
    world::check(&fleet.root);
}

const OPERATIONS: [Operation; 2] = [
    Operation {
        part: "backup",
        before: crashes::with_rows,
        outcome: |tenancy| {
            assert_eq!(world::rows(tenancy), ["one", "two", "three"]);
            let there = tenancy.backups(&BackupFilter::all()).unwrap().len();
            tenancy.backup(&id(), &BackupOptions::new()).unwrap();
            there == 1
        },
    },
    Operation {
        part: "remove backup",
        before: |root| {
            crashes::with_rows(root);
            let tenancy = builder(root).open().unwrap();
            tenancy.backup(&id(), &BackupOptions::new()).unwrap();
        },
        outcome: |tenancy| tenancy.backups(&BackupFilter::all()).unwrap().is_empty(),
    },
];

#[cfg(feature = "failpoints")]
#[test]
fn backup_at_every_step() {
    crashes::failpoints::every_step(&OPERATIONS[0], 8);
}

#[cfg(feature = "failpoints")]
#[test]
fn removal_at_every_step() {
    crashes::failpoints::every_step(&OPERATIONS[1], 4);
}

/// A writer in another process commits all the while, and the backup has what was acknowledged before it began.
#[test]
fn a_backup_is_taken_under_a_writer() {
    let fleet = fleet();
    fleet.create("TH001");
    let mut writer = Actor::spawn("write", &fleet.root);
    assert_eq!(writer.hear().unwrap(), "ready");
    let mut acknowledged = 0;
    for _ in 0..5 {
        for _ in 0..20 {
            acknowledged = writer.hear().unwrap().parse::<usize>().unwrap() + 1;
        }
        let backup = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
        let after = world::rows(&fleet.tenancy).len();
        let rows = rows_in(&backup.path);
        assert!(
            (acknowledged..=after).contains(&rows),
            "{rows} of {acknowledged} to {after}"
        );
    }
}

fn rows_in(backup: &Path) -> usize {
    let manifest = fs::read_to_string(backup.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["manifest"]["rows"]["patients"].as_u64().unwrap() as usize
}
