//! What becomes of the backups of a purged tenant.
use diesel_tenants::{BackupRecord, PruneReport, RetentionPolicy};

use super::*;

/// TH001 with three backups, the oldest pinned, and TH002 with one; TH001 is due.
fn with_backups() -> (Fleet, Vec<BackupRecord>) {
    let fleet = fleet();
    fleet.create("TH001");
    fleet.create("TH002");
    let take = |name: &str, pinned: bool| {
        let options = BackupOptions::new().pinned(pinned);
        fleet.tenancy.backup(&id(name), &options).unwrap()
    };
    let backups = vec![
        take("TH001", true),
        take("TH001", false),
        take("TH001", false),
        take("TH002", false),
    ];
    delete_at_once(&fleet.tenancy, &id("TH001"));
    (fleet, backups)
}

fn prune(fleet: &Fleet, after_purge: Duration) -> PruneReport {
    let policy = RetentionPolicy {
        keep_last: 10,
        after_purge: Some(after_purge),
        ..RetentionPolicy::default()
    };
    fleet.tenancy.prune_backups(&policy, false).unwrap()
}

/// The newest goes too, and one that is missing holds none of the others back; a pinned one stays.
#[test]
fn the_backups_of_a_purged_tenant_go_when_their_time_has_come() {
    let (fleet, backups) = with_backups();
    let at_once = Duration::ZERO;
    assert!(
        prune(&fleet, at_once).removed.is_empty(),
        "it was not purged"
    );
    fleet.tenancy.purge(&id("TH001"), "TH001").unwrap();
    assert!(prune(&fleet, Duration::from_secs(3600)).removed.is_empty());
    std::fs::remove_dir_all(&backups[2].path).unwrap();
    let report = prune(&fleet, at_once);
    assert!(
        report.held.is_empty() && report.failed.is_empty(),
        "{report:?}"
    );
    let mut removed: Vec<_> = report.removed.iter().map(|backup| backup.id).collect();
    removed.sort();
    assert_eq!(removed, [backups[1].id, backups[2].id]);
    let left = fleet.tenancy.backups(&BackupFilter::all()).unwrap();
    let left: Vec<_> = left.iter().map(|backup| backup.id).collect();
    assert_eq!(left, [backups[3].id, backups[0].id]);
}

/// Until the purge is over, its backups are those of a tenant that is.
#[cfg(feature = "failpoints")]
#[test]
fn a_purge_that_is_not_over_has_no_date() {
    let (fleet, _) = with_backups();
    let dir = tempfile::tempdir().unwrap();
    let (mut purging, _) = crashes::paused(
        "purge, backups kept",
        &fleet.root,
        "purge.tombstone",
        dir.path(),
    );
    assert!(prune(&fleet, Duration::ZERO).removed.is_empty());
    purging.kill();
    fleet.tenancy.recover().unwrap();
    assert_eq!(prune(&fleet, Duration::ZERO).removed.len(), 2);
}

/// A dry run says what would be done, which is nothing.
#[test]
fn what_is_on_hold_is_not_named_to_be_pruned() {
    let (fleet, backups) = with_backups();
    fleet.tenancy.hold(&id("TH001"), "court order").unwrap();
    let policy = RetentionPolicy {
        keep_last: 0,
        daily: 0,
        weekly: 0,
        monthly: 0,
        after_purge: None,
    };
    let would = || fleet.tenancy.prune_backups(&policy, true).unwrap().removed;
    assert!(would().is_empty());
    fleet.tenancy.release_hold(&id("TH001")).unwrap();
    assert!(would().iter().map(|it| it.id).eq([backups[1].id]));
}

#[test]
fn a_pinned_backup_stands_in_the_way_of_a_purge_that_removes_it() {
    let (fleet, _tenant) = one_due();
    let backup = |options| fleet.tenancy.backup(&id("TH001"), &options).unwrap();
    backup(BackupOptions::new());
    let pinned = backup(BackupOptions::new().pinned(true));
    let remove = PurgeOptions::default().backups(BackupsOnPurge::Remove);
    let purge = || fleet.tenancy.purge_with(&id("TH001"), "TH001", &remove);
    let refused = purge().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "1 backup of tenant `TH001` is pinned; unpin it, or purge with `BackupsOnPurge::Keep`"
    );
    assert_eq!(fleet.tenancy.tenants().unwrap()[0].status, Status::Archived);
    fleet.tenancy.pin_backup(pinned.id, false).unwrap();
    assert_eq!(purge().unwrap().backups_removed, 2);
    let left = fleet.tenancy.backups(&BackupFilter::all()).unwrap();
    assert!(left.is_empty(), "{left:?}");
    world::check(&fleet.root);
}

#[test]
fn a_legal_hold_keeps_the_backups_too() {
    let (fleet, _tenant) = one_due();
    let options = BackupOptions::new();
    let backup = fleet.tenancy.backup(&id("TH001"), &options).unwrap();
    fleet.tenancy.hold(&id("TH001"), "court order").unwrap();
    let held = fleet.tenancy.remove_backup(backup.id).unwrap_err();
    assert!(held.to_string().contains("under a legal hold"), "{held}");
    let left = fleet.tenancy.backups(&BackupFilter::all()).unwrap();
    assert_eq!(left.len(), 1);
    fleet.tenancy.release_hold(&id("TH001")).unwrap();
    fleet.tenancy.remove_backup(backup.id).unwrap();
}

/// A backup that was begun before the purge and is finished after it would keep what is being removed.
#[cfg(feature = "failpoints")]
#[test]
fn a_backup_that_is_being_made_does_not_outlive_the_purge() {
    for backups in [BackupsOnPurge::Remove, BackupsOnPurge::Keep] {
        let (fleet, _tenant) = one_due();
        let gate = fleet.root.with_file_name("gate");
        let mut backup = crate::actors::command("backup", &fleet.root);
        let plan = format!("backup.described=pause:{}", gate.display());
        backup.env("DIESEL_TENANTS_FAILPOINT", plan);
        backup.stderr(std::process::Stdio::null());
        let mut backup = Actor::from(backup);
        while !gate.with_extension("reached").exists() {
            std::thread::yield_now();
        }
        let options = PurgeOptions::default().backups(backups);
        fleet
            .tenancy
            .purge_with(&id("TH001"), "TH001", &options)
            .unwrap();
        std::fs::write(&gate, "").unwrap();
        let said = backup.hear();
        backup.wait();
        let kept = usize::from(backups == BackupsOnPurge::Keep);
        assert_eq!(said.is_some(), kept == 1, "{said:?}");
        let tenancy = world::check(&fleet.root);
        assert_eq!(tenancy.backups(&BackupFilter::all()).unwrap().len(), kept);
    }
}

/// Pinned once the purge had begun, it went all the same, and nobody was told.
#[cfg(feature = "failpoints")]
#[test]
fn what_goes_with_its_tenant_is_not_pinned_any_more() {
    let (fleet, _tenant) = one_due();
    let backup = fleet.tenancy.backup(&id("TH001"), &BackupOptions::new());
    let backup = backup.unwrap();
    let mut command = crate::actors::command("purge", &fleet.root);
    command.env("DIESEL_TENANTS_FAILPOINT", "purge.begun=kill");
    assert!(crashes::run(command));
    let refused = fleet.tenancy.pin_backup(backup.id, true).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "backup {} cannot be pinned: its tenant is purged with its backups",
            backup.id
        )
    );
    let purged = fleet.tenancy.purge(&id("TH001"), "TH001").unwrap();
    assert_eq!(purged.backups_removed, 1);
    world::check(&fleet.root);
}
