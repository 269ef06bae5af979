//! Backups: taken under writers, refused when they are not what was written, there wholly or not at all.
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel_tenants::prelude::*;
use diesel_tenants::{
    BackupError, BackupFilter, BackupOptions, BackupReason, BackupRef, BackupSetOptions, Backups,
    RetentionPolicy,
};

use crate::actors::{Actor, say};
use crate::app::{admit, builder, fleet};
use crate::crashes::{self, Operation};
use crate::world;

mod reach;
mod sets;
mod under_writers;

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

/// What is in a directory of backups, but for the mark that tells it from an empty mount point.
fn beside_the_mark(directory: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let is_mark = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(".tenants-")
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| !is_mark(path)).collect()
}

/// What holds of the backups in a data directory whenever nothing is under way.
pub(crate) fn check(tenancy: &Tenancy, root: &Path) {
    let mut expected = BTreeSet::new();
    for record in tenancy.backups(&BackupFilter::all()).unwrap() {
        tenancy.verify_backup(&BackupRef::from(&record)).unwrap();
        expected.insert(record.path);
    }
    let listed = Backups::<SqliteConnection>::at(root.join("backups")).unwrap();
    assert!(listed.damaged().is_empty(), "{:?}", listed.damaged());
    assert_eq!(listed.list().len(), expected.len());
    expected.extend(listed.sets().iter().map(|set| set.path.clone()));
    let found: BTreeSet<_> = beside_the_mark(&root.join("backups"));
    assert_eq!(
        found, expected,
        "files below backups/ and the catalogue disagree"
    );
}

/// The parts of child processes in these tests.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    match part {
        "backup" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.backup(&id(), &BackupOptions::new()).unwrap();
            say("backed up");
        }
        "remove backup" => {
            let tenancy = builder(root).open().unwrap();
            let backups = tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
            tenancy.remove_backup(backups[0].id).unwrap();
            say("removed");
        }
        "backup all" => {
            let tenancy = builder(root).open().unwrap();
            tenancy
                .backup_all(&BackupSetOptions::new(), |_| {})
                .unwrap();
            say("backed up");
        }
        "prune" => {
            let tenancy = builder(root).open().unwrap();
            let pruned = tenancy.prune_backups(&ONLY_THE_NEWEST, false).unwrap();
            assert!(pruned.failed.is_empty(), "{:?}", pruned.failed);
            say("pruned");
        }
        "drill" => {
            let tenancy = builder(root).open().unwrap();
            let backups = tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
            tenancy.drill(&BackupRef::from(&backups[0])).unwrap();
            say("drilled");
        }
        _ => return reach::play(part, root),
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

/// As little as can be asked for.
pub(crate) const ONLY_THE_NEWEST: RetentionPolicy = RetentionPolicy {
    keep_last: 0,
    daily: 0,
    weekly: 0,
    monthly: 0,
    after_purge: None,
};

#[test]
fn everything_is_backed_up_as_one_set_with_the_shared_database_last() {
    let fleet = fleet();
    for number in 1..=9 {
        fleet.create(&format!("TH{number}"));
    }
    // Suspended ones have data too.
    fleet.tenancy.suspend(&"TH9".parse().unwrap()).unwrap();
    let steps = std::sync::Mutex::new(Vec::new());
    let set = fleet
        .tenancy
        .backup_all(&BackupSetOptions::new().workers(3), |step| {
            assert!(step.result.is_ok() && step.total == 10);
            steps
                .lock()
                .unwrap()
                .push((step.done, step.tenant.is_none()));
        })
        .unwrap();
    assert!(set.is_complete());
    assert_eq!(set.members.len(), 10);
    assert!(set.members[9].tenant.is_none());
    let shared = &set.members[9];
    assert!(
        set.members
            .iter()
            .all(|m| m.taken_at <= shared.taken_at && m.set == Some(set.id))
    );
    let mut steps = steps.into_inner().unwrap();
    assert_eq!(steps.last(), Some(&(10, true)));
    steps.sort();
    assert!(steps.iter().map(|(done, _)| *done).eq(1..=10));

    // Carried elsewhere it can be listed and verified without any catalogue.
    let elsewhere = tempfile::tempdir().unwrap();
    crashes::copy(&fleet.root.join("backups"), &elsewhere.path().join("b"));
    let carried = Backups::<SqliteConnection>::at(elsewhere.path().join("b")).unwrap();
    assert_eq!(carried.list().len(), 10);
    let listed = &carried.sets()[0];
    assert!(listed.complete && listed.missing.is_empty() && listed.members.len() == 10);
    for backup in carried.list() {
        carried.verify(&backup.path).unwrap();
    }
    fs::remove_dir_all(&carried.list()[3].path).unwrap();
    let carried = Backups::<SqliteConnection>::at(elsewhere.path().join("b")).unwrap();
    assert_eq!(carried.sets()[0].missing.len(), 1);
    assert_eq!(fleet.tenancy.backups_of_set(set.id).unwrap().len(), 10);
    world::check(&fleet.root);
}

/// The catalogue in a set knows a tenant of which the set has no backup.
#[test]
fn a_tenant_that_is_created_meanwhile_is_missed_and_the_set_says_so() {
    let fleet = fleet();
    fleet.create("TH001");
    let set = fleet
        .tenancy
        .backup_all(&BackupSetOptions::new(), |step| {
            if step.done == 1 {
                fleet.create("TH002");
            }
        })
        .unwrap();
    assert!(set.failed.is_empty() && !set.is_complete());
    assert_eq!(set.missed[0].id, "TH002".parse().unwrap());
    let listed = Backups::<SqliteConnection>::at(fleet.root.join("backups")).unwrap();
    assert!(!listed.sets()[0].complete);
    world::check(&fleet.root);
}

/// Whoever opens the library, recovers or prunes meanwhile does not take it for what a dead process left.
#[cfg(feature = "failpoints")]
#[test]
fn what_a_living_process_backs_up_is_left_to_it() {
    for (part, point) in [
        ("backup", "backup.begun"),
        ("backup", "backup.copied"),
        ("backup", "backup.published"),
        ("backup all", "backup-set.begun"),
        ("backup all", "backup-set.described"),
        ("backup all", "backup-set.published"),
        ("drill", "drill.restored"),
    ] {
        let fleet = fleet();
        fleet.create("TH001");
        if part == "drill" {
            fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
        }
        let signals = tempfile::tempdir().unwrap();
        let (mut actor, go_on) = crashes::paused(part, &fleet.root, point, signals.path());
        assert_eq!(fleet.tenancy.recover().unwrap(), 0, "{point}");
        drop(fleet.again());
        let pruned = fleet.tenancy.prune_backups(&ONLY_THE_NEWEST, false);
        assert!(pruned.unwrap().removed.is_empty(), "{point}");
        fs::File::create(&go_on).unwrap();
        assert!(actor.hear().is_some(), "{part} failed after {point}");
        assert!(actor.wait().success());
        let tenancy = world::check(&fleet.root);
        let backups = tenancy.backups(&BackupFilter::all()).unwrap().len();
        assert_eq!(backups, if part == "backup all" { 2 } else { 1 }, "{point}");
        let listed = Backups::<SqliteConnection>::at(fleet.root.join("backups")).unwrap();
        assert_eq!(listed.sets().len(), usize::from(part == "backup all"));
    }
}

#[test]
fn a_set_goes_on_past_a_damaged_tenant_and_says_so() {
    let fleet = fleet();
    let tenants = ["TH001", "TH002", "TH003"].map(|id| fleet.create(id));
    let id = tenants[1].id();
    fleet.tenancy.suspend(&id).unwrap();
    let file = fleet.file(&tenants[1], 1);
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let set = fleet
        .tenancy
        .backup_all(&BackupSetOptions::new(), |_| {})
        .unwrap();
    assert!(!set.is_complete());
    assert_eq!(set.members.len(), 3);
    let (tenant, error) = &set.failed[0];
    assert_eq!(tenant.unwrap().id, id);
    assert!(matches!(error, BackupError::Source { .. }), "{error}");
    let listed = Backups::<SqliteConnection>::at(fleet.root.join("backups")).unwrap();
    assert!(!listed.sets()[0].complete);
    assert!(
        listed.sets()[0].failed[0]
            .1
            .contains("tenant `TH002` was not backed up")
    );
}

#[test]
fn pruning_keeps_the_newest_and_the_pinned_and_those_of_a_database_whose_newest_is_gone() {
    let fleet = fleet();
    fleet.create("TH001");
    fleet.create("TH002");
    let take = |id: &str| {
        fleet
            .tenancy
            .backup(&id.parse().unwrap(), &BackupOptions::new())
            .unwrap()
    };
    let a: Vec<_> = (0..4).map(|_| take("TH001")).collect();
    let b: Vec<_> = (0..3).map(|_| take("TH002")).collect();
    fleet.tenancy.pin_backup(a[0].id, true).unwrap();
    fs::remove_file(b[2].path.join("db.sqlite3")).unwrap();

    let would = fleet.tenancy.prune_backups(&ONLY_THE_NEWEST, true).unwrap();
    assert_eq!(
        fleet.tenancy.backups(&BackupFilter::all()).unwrap().len(),
        7
    );
    let report = fleet
        .tenancy
        .prune_backups(&ONLY_THE_NEWEST, false)
        .unwrap();
    let ids = |removed: &[diesel_tenants::BackupRecord]| {
        let ids: BTreeSet<_> = removed.iter().map(|backup| backup.id).collect();
        ids
    };
    assert_eq!(ids(&would.removed), ids(&report.removed));
    assert_eq!(ids(&report.removed), [a[1].id, a[2].id].into());
    assert_eq!(report.held[0].0.id, b[2].id);
    assert_eq!(
        ids(&report.kept),
        [a[0].id, a[3].id, b[0].id, b[1].id, b[2].id].into()
    );
    assert!(report.failed.is_empty());
    assert!(!a[1].path.exists() && a[3].path.exists() && b[0].path.exists());
    let again = fleet
        .tenancy
        .prune_backups(&ONLY_THE_NEWEST, false)
        .unwrap();
    assert!(again.removed.is_empty());
}

#[test]
fn a_set_whose_backups_are_all_pruned_goes_with_them() {
    let fleet = fleet();
    fleet.create("TH001");
    let options = BackupSetOptions::new();
    let first = fleet.tenancy.backup_all(&options, |_| {}).unwrap();
    let second = fleet.tenancy.backup_all(&options, |_| {}).unwrap();
    fleet
        .tenancy
        .prune_backups(&ONLY_THE_NEWEST, false)
        .unwrap();
    assert!(!first.path.exists() && second.path.exists());
    world::check(&fleet.root);
}

#[test]
fn backups_go_to_a_directory_outside_or_to_that_of_the_data_and_to_no_other_inside() {
    let fleet = fleet();
    fleet.create("TH001");
    let to = |directory: &Path| {
        fleet
            .tenancy
            .backup(&id(), &BackupOptions::new().directory(directory))
    };
    let outside = tempfile::tempdir().unwrap();
    let backup = to(outside.path()).unwrap();
    assert!(backup.path.starts_with(outside.path()));
    fleet
        .tenancy
        .verify_backup(&BackupRef::from(&backup))
        .unwrap();
    for inside in ["", "tenants", "tenants/new", "locks"] {
        let error = to(&fleet.root.join(inside)).unwrap_err();
        assert!(
            error.to_string().contains("is inside the data directory"),
            "{error}"
        );
    }
    assert!(to(&outside.path().join("missing")).is_err());
    assert!(!outside.path().join("missing").exists());
    let file = outside.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(
        to(&file)
            .unwrap_err()
            .to_string()
            .contains("is not a directory")
    );
    let own = to(&fleet.root.join("backups")).unwrap();
    assert!(own.path.starts_with(&fleet.root));
    fleet.tenancy.remove_backup(backup.id).unwrap();
    assert_eq!(beside_the_mark(outside.path()).len(), 1);
    world::check(&fleet.root);
}

#[test]
fn a_drill_leaves_nothing_and_finds_what_a_restore_would() {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "Ada").unwrap();
    let shared = fleet.tenancy.backup_shared(&BackupOptions::new()).unwrap();
    let older = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let backup = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let report = fleet.tenancy.drill(&BackupRef::from(&backup)).unwrap();
    assert_eq!(
        (report.rows, report.migrated, report.backup),
        (1, 0, backup.id)
    );
    let all = fleet.tenancy.drill_all().unwrap();
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|drilled| drilled.report.is_ok()), "{all:?}");
    assert!(all.iter().all(|drilled| drilled.backup.id != older.id));
    world::check(&fleet.root);
    fs::write(shared.path.join("db.sqlite3"), "x").unwrap();
    let all = fleet.tenancy.drill_all().unwrap();
    assert_eq!(
        all.iter().filter(|drilled| drilled.report.is_err()).count(),
        1
    );
}

/// A backup of a damaged database would push the last good one out. An index that lacks a row is damage that a copy,
/// which builds its indexes anew, does not show.
#[test]
fn a_database_whose_index_disagrees_with_its_table_is_not_backed_up() {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    let good = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let mut ctx = tenant.enter().unwrap();
    ctx.unrouted("damage", |raw| {
        raw.connection().batch_execute(
            "INSERT INTO patients VALUES (1, 'x', 'A');
             INSERT INTO visits VALUES (1, 'x', 1);
             PRAGMA writable_schema = ON;
             DELETE FROM sqlite_schema WHERE name = 'visits_patient_id';
             PRAGMA writable_schema = RESET;",
        )
    })
    .unwrap();
    drop(ctx);
    let error = fleet
        .tenancy
        .backup(&id(), &BackupOptions::new())
        .unwrap_err();
    assert!(matches!(error, BackupError::Source { .. }), "{error}");
    assert_eq!(fleet.tenancy.backups(&BackupFilter::all()).unwrap(), [good]);
}

#[test]
fn sources_that_are_lost_are_refused_and_leave_nothing() {
    let fleet = fleet();
    let tenants = ["TH001", "TH002"].map(|id| fleet.create(id));
    for tenant in &tenants {
        fleet.tenancy.suspend(&tenant.id()).unwrap();
    }
    let [own, other] = [&tenants[0], &tenants[1]].map(|tenant| fleet.file(tenant, 1));
    let whole = fs::read(&own).unwrap();
    let others = fs::read(&other).unwrap();
    let mut garbage = whole.clone();
    garbage[4096..].fill(0xAA);
    for (bytes, reason) in [
        (None, "is missing"),
        (Some(&b""[..]), "is an empty file"),
        (Some(&whole[..whole.len() - 4096]), "is damaged"),
        (Some(&garbage[..]), "is damaged"),
        (Some(&others[..]), "is really that of tenant `TH002`"),
    ] {
        match bytes {
            Some(bytes) => fs::write(&own, bytes).unwrap(),
            None => fs::remove_file(&own).unwrap(),
        }
        fs::set_permissions(own.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
        if own.exists() {
            fs::set_permissions(&own, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let error = fleet
            .tenancy
            .backup(&id(), &BackupOptions::new())
            .unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(reason), "{reason}: {source}");
        // Nothing is left for a recovery, either.
        assert_eq!(fleet.tenancy.recover().unwrap(), 0, "{reason}");
        assert_eq!(
            beside_the_mark(&fleet.root.join("backups")).len(),
            0,
            "{reason}"
        );
    }
    fs::write(&own, &whole).unwrap();
    fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
}

const OPERATIONS: [Operation; 5] = [
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
    Operation {
        part: "backup all",
        before: crashes::with_rows,
        // Members are backups of their own; what is whole or absent is the set.
        outcome: |tenancy| {
            let set = tenancy.backups(&BackupFilter::all()).unwrap();
            let directory = set.first().map(|backup| backup.path.parent().unwrap());
            let listed = directory.map(|dir| Backups::<SqliteConnection>::at(dir).unwrap());
            listed.is_some_and(|listed| {
                let sets = listed.sets();
                assert!(
                    sets.iter()
                        .all(|set| set.complete && set.missing.is_empty())
                );
                !sets.is_empty()
            })
        },
    },
    Operation {
        part: "prune",
        before: |root| {
            crashes::with_rows(root);
            let tenancy = builder(root).open().unwrap();
            tenancy
                .backup_all(&BackupSetOptions::new(), |_| {})
                .unwrap();
            tenancy
                .backup_all(&BackupSetOptions::new(), |_| {})
                .unwrap();
        },
        outcome: |tenancy| {
            let left = tenancy.backups(&BackupFilter::all()).unwrap();
            assert!((2..=4).contains(&left.len()));
            tenancy.prune_backups(&ONLY_THE_NEWEST, false).unwrap();
            let kept = tenancy.backups(&BackupFilter::all()).unwrap();
            assert!(kept.len() == 2 && kept.iter().all(|kept| left.contains(kept)));
            left.len() == 2
        },
    },
    Operation {
        part: "drill",
        before: |root| (OPERATIONS[1].before)(root),
        outcome: |tenancy| {
            assert_eq!(world::rows(tenancy), ["one", "two", "three"]);
            assert_eq!(tenancy.backups(&BackupFilter::all()).unwrap().len(), 1);
            true
        },
    },
];

#[test]
fn killed_at_any_system_call() {
    if crashes::strace_works() {
        crashes::BACKUP.expect(crashes::kill_at_system_calls(&OPERATIONS[0]));
    }
}

#[test]
fn failing_at_any_system_call() {
    if crashes::strace_works() {
        let failures = crashes::fail_at_system_calls("fail: backup", &OPERATIONS[0]);
        assert!(failures >= 3, "{failures}: the sweep did not get far");
    }
}

#[test]
fn the_power_may_fail_at_any_moment() {
    if crashes::strace_works() {
        for operation in &OPERATIONS[..2] {
            let failures = crate::power::fail_power(operation);
            assert!(failures >= 4, "{failures}: the sweep did not get far");
        }
    }
}

#[test]
fn without_descriptors_nothing_is_left() {
    let fleet = fleet();
    fleet.create("TH001");
    let mut child = Actor::spawn("starve: backup", &fleet.root);
    let spare: usize = child.hear().unwrap().parse().unwrap();
    assert!(spare >= 2, "it never failed");
    assert!(child.wait().success());
    // Of all the attempts there is the one that succeeded.
    let taken = fleet.tenancy.backups(&BackupFilter::all()).unwrap();
    assert_eq!(taken.len(), 1);
    world::check(&fleet.root);
}

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

#[cfg(feature = "failpoints")]
#[test]
fn a_set_at_every_step() {
    crashes::failpoints::every_step(&OPERATIONS[2], 20);
}

#[cfg(feature = "failpoints")]
#[test]
fn pruning_at_every_step() {
    crashes::failpoints::every_step(&OPERATIONS[3], 12);
}

#[cfg(feature = "failpoints")]
#[test]
fn a_drill_at_every_step() {
    crashes::failpoints::every_step(&OPERATIONS[4], 8);
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

/// Another process replaces the database of a tenant while this one, which does not know of it yet, takes a backup.
/// The generation before is kept, so there is something to be copied, which lacks what was committed since.
#[test]
fn a_backup_is_of_the_generation_in_use() {
    let long = std::time::Duration::from_secs(3600);
    let fleet = crate::app::fleet_with(|builder| builder.freshness(long));
    let tenant = fleet.create("TH001");
    let id = tenant.id();
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    let backup = fleet.tenancy.backup(&id, &BackupOptions::new()).unwrap();
    let other = fleet.again();
    let options = diesel_tenants::RestoreOptions::confirmed("TH001").without_safety_backup();
    let reference = diesel_tenants::BackupRef::from(&backup);
    other.restore(&id, &reference, &options).unwrap();
    admit(&mut other.tenant(&id).unwrap(), "since").unwrap();
    let taken = fleet.tenancy.backup(&id, &BackupOptions::new()).unwrap();
    assert_eq!(taken.generation, 2);
    let newest = &fleet.tenancy.backups(&BackupFilter::tenant(&id)).unwrap()[0];
    assert_eq!((newest.id, newest.generation), (taken.id, 2));
    assert_eq!(
        fleet
            .tenancy
            .backups(&BackupFilter::tenant(&id))
            .unwrap()
            .len(),
        2
    );
    drop((tenant, other));
    crate::world::check(&fleet.root);
}
