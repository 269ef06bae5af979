//! Sets in which something goes wrong on the way, and pruning past what cannot be removed.
use std::fs;
use std::process::Command;

use diesel_tenants::{BackupError, BackupFilter, BackupSetOptions, RetentionPolicy};

use super::{ONLY_THE_NEWEST, id};
use crate::actors::command_under;
use crate::app::{builder, delete_at_once, fleet};
use crate::crashes;
use crate::world;

/// The set of a hundred hospitals was given up because one of its backups was removed before it was complete.
#[test]
fn a_member_that_is_removed_meanwhile_is_left_out_and_named() {
    let fleet = fleet();
    fleet.create("TH001");
    fleet.create("TH002");
    let backups = || fleet.tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
    let taken = fleet.tenancy.backup_all(&BackupSetOptions::new(), |step| {
        if step.tenant.is_none() {
            fleet.tenancy.remove_backup(backups()[0].id).unwrap();
        }
    });
    let set = taken.unwrap();
    assert!(!set.is_complete());
    assert_eq!(set.members.len(), 2);
    let (tenant, error) = &set.failed[0];
    assert_eq!(tenant.unwrap().id, id());
    assert!(matches!(error, BackupError::Unknown { .. }), "{error}");
    world::check(&fleet.root);
}

/// A catalogue that is put back forgot a set whose manifest could not be read, and its directory stayed for ever.
#[test]
fn a_set_that_cannot_be_read_is_not_forgotten() {
    let fleet = fleet();
    fleet.create("TH001");
    let take = || fleet.tenancy.backup_all(&BackupSetOptions::new(), |_| {});
    let (damaged, newest) = (take().unwrap(), take().unwrap());
    fs::write(damaged.path.join("manifest.json"), "{").unwrap();
    let (root, shared) = (fleet.root.clone(), newest.members.last().unwrap().clone());
    drop(fleet.tenancy);
    builder(&root).restore_shared(&shared.path).unwrap();
    let tenancy = builder(&root).open().unwrap();
    tenancy.prune_backups(&ONLY_THE_NEWEST, false).unwrap();
    assert!(!damaged.path.exists());
    drop(tenancy);
    world::check(&root);
}

/// What cannot be read again is no set: it is found out before it counts.
#[cfg(feature = "failpoints")]
#[test]
fn a_set_is_read_before_it_counts() {
    let fleet = fleet();
    fleet.create("TH001");
    let signals = tempfile::tempdir().unwrap();
    let point = "backup-set.published";
    let (mut actor, go_on) = crashes::paused("backup all", &fleet.root, point, signals.path());
    let set = fs::read_dir(fleet.root.join("backups")).unwrap();
    let mut set = set.map(|entry| entry.unwrap().path());
    let set = set.find(|path| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("set-")
    });
    let set = set.unwrap();
    fs::write(set.join("manifest.json"), "{").unwrap();
    fs::File::create(go_on).unwrap();
    assert!(!actor.wait().success());
    assert!(!set.exists());
    world::check(&fleet.root);
}

/// Two cron jobs at once: what the other one removed meanwhile is gone, and no failure.
#[cfg(feature = "failpoints")]
#[test]
fn pruning_twice_at_once_fails_neither() {
    let fleet = fleet();
    fleet.create("TH001");
    for _ in 0..3 {
        let options = diesel_tenants::BackupOptions::new();
        fleet.tenancy.backup(&id(), &options).unwrap();
    }
    let signals = tempfile::tempdir().unwrap();
    let point = "backup-remove.forgotten";
    let (mut actor, go_on) = crashes::paused("prune", &fleet.root, point, signals.path());
    let pruned = fleet
        .tenancy
        .prune_backups(&ONLY_THE_NEWEST, false)
        .unwrap();
    assert_eq!(pruned.removed.len(), 1, "the other has removed one of two");
    fs::File::create(go_on).unwrap();
    assert!(actor.hear().is_some(), "the slower failed");
    assert!(actor.wait().success());
    world::check(&fleet.root);
}

/// One certificate that cannot be read, and one set that cannot be removed, keep nothing else from being pruned, and what
/// was removed is told.
#[test]
fn pruning_goes_on_past_what_it_cannot_do() {
    let fleet = fleet();
    fleet.create("TH001");
    fleet.create("TH002");
    let take = || fleet.tenancy.backup_all(&BackupSetOptions::new(), |_| {});
    let (first, _) = (take().unwrap(), take().unwrap());
    delete_at_once(&fleet.tenancy, &id());
    let purged = fleet.tenancy.purge(&id(), "TH001").unwrap();
    let certificate = fleet
        .root
        .join("tombstones")
        .join(format!("{}.json", purged.uuid.simple()));
    fs::write(&certificate, "{").unwrap();
    // A directory in it is none of ours.
    fs::create_dir(first.path.join("somebody's")).unwrap();
    let policy = RetentionPolicy {
        after_purge: Some(std::time::Duration::ZERO),
        ..ONLY_THE_NEWEST
    };
    let report = fleet.tenancy.prune_backups(&policy, false).unwrap();
    let removed: Vec<_> = report
        .removed
        .iter()
        .map(|one| one.tenant.map(|of| of.id))
        .collect();
    assert_eq!(removed, [None, Some("TH002".parse().unwrap())]);
    let (failed, _) = &report.failed[0];
    assert_eq!(failed.tenant.unwrap().id, id());
    assert!(report.sets_failed.is_empty());

    fs::remove_file(&certificate).unwrap();
    let report = fleet
        .tenancy
        .prune_backups(&ONLY_THE_NEWEST, false)
        .unwrap();
    assert_eq!(report.removed.len(), 1);
    assert_eq!(report.sets_failed.len(), 1, "{report:?}");
}

/// NFS, and some others, cannot rename without replacing: no backup could be put there, and none removed.
#[test]
fn backups_are_taken_and_removed_where_a_rename_may_replace() {
    if !crashes::strace_works() {
        return;
    }
    let fleet = fleet();
    fleet.create("TH001");
    let backups = || fleet.tenancy.backups(&BackupFilter::all()).unwrap();
    for (part, left) in [("backup", 1), ("remove backup", 0), ("backup all", 2)] {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat2"]);
        strace.args(["-e", "inject=renameat2:error=EINVAL"]);
        crashes::run(command_under(strace, part, &fleet.root));
        assert_eq!(backups().len(), left, "{part}");
        world::check(&fleet.root);
    }
}
