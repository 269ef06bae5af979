//! A disk that is not mounted: what is on it is neither removed nor forgotten, and nobody says that it was.
use std::fs;
use std::path::{Path, PathBuf};

use diesel_tenants::error::LifecycleError;
use diesel_tenants::{
    BackupFilter, BackupOptions, BackupRecord, BackupSetOptions, BackupsOnPurge, PurgeOptions,
    Retention,
};

use super::{ONLY_THE_NEWEST, beside_the_mark, id};
use crate::actors;
use crate::app::{Fleet, builder, fleet};

/// A directory outside that stands for the mount point of a disk.
struct Disk {
    home: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("mnt")).unwrap();
        Self { home }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("mnt")
    }

    /// What is left is the empty mount point.
    fn unmount(&self) {
        fs::rename(self.path(), self.home.path().join("disk")).unwrap();
        fs::create_dir(self.path()).unwrap();
    }

    /// Over what has been put into the mount point meanwhile.
    fn mount_over(&self) {
        fs::rename(self.path(), self.home.path().join("under it")).unwrap();
        fs::rename(self.home.path().join("disk"), self.path()).unwrap();
    }

    fn mount(&self) {
        fs::remove_dir(self.path()).unwrap();
        fs::rename(self.home.path().join("disk"), self.path()).unwrap();
    }
}

fn to(fleet: &Fleet, directory: &Path) -> BackupRecord {
    let options = BackupOptions::new().directory(directory);
    fleet.tenancy.backup(&id(), &options).unwrap()
}

fn ids(fleet: &Fleet) -> Vec<uuid::Uuid> {
    let listed = fleet.tenancy.backups(&BackupFilter::all()).unwrap();
    listed.iter().map(|backup| backup.id).collect()
}

#[test]
fn one_that_is_out_of_reach_is_not_removed_until_its_disk_is_there() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    let backup = to(&fleet, &disk.path());
    disk.unmount();
    let refused = fleet.tenancy.remove_backup(backup.id).unwrap_err();
    assert!(refused.is_out_of_reach(), "{refused}");
    assert_eq!(ids(&fleet), [backup.id]);
    // Where not even the mount point is there, it is the same.
    fs::remove_dir(disk.path()).unwrap();
    let refused = fleet.tenancy.remove_backup(backup.id).unwrap_err();
    assert!(refused.is_out_of_reach(), "{refused}");
    fs::create_dir(disk.path()).unwrap();
    disk.mount();
    fleet.tenancy.verify_backup(&(&backup).into()).unwrap();
    fleet.tenancy.remove_backup(backup.id).unwrap();
    assert!(ids(&fleet).is_empty());
    assert!(beside_the_mark(&disk.path()).is_empty());
}

#[test]
fn one_that_somebody_removed_by_hand_is_forgotten() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    let backup = to(&fleet, &disk.path());
    fs::remove_dir_all(&backup.path).unwrap();
    fleet.tenancy.remove_backup(backup.id).unwrap();
    assert!(ids(&fleet).is_empty());
}

/// It said that three were removed, which were all there, and known to nobody from then on.
#[test]
fn pruning_does_not_forget_what_is_out_of_reach() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    let each = BackupOptions::new().directory(disk.path());
    let set = BackupSetOptions::new().each(each);
    let set = fleet.tenancy.backup_all(&set, |_| {}).unwrap();
    let old = to(&fleet, &disk.path());
    let shared = BackupOptions::new();
    fleet.tenancy.backup_shared(&shared).unwrap();
    let newest = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    disk.unmount();
    let prune = || {
        fleet
            .tenancy
            .prune_backups(&ONLY_THE_NEWEST, false)
            .unwrap()
    };
    let report = prune();
    assert!(report.removed.is_empty(), "{report:?}");
    assert_eq!(report.failed.len(), 3);
    assert!(report.failed.iter().all(|(_, why)| why.is_out_of_reach()));
    assert!(ids(&fleet).contains(&old.id));
    disk.mount();
    assert_eq!(prune().removed.len(), 3);
    assert!(!set.path.exists());
    assert!(ids(&fleet).contains(&newest.id));
    assert!(beside_the_mark(&disk.path()).is_empty());
}

/// The certificate said that the backups were removed. They were on a disk that was not mounted, with all the data.
#[test]
fn the_certificate_of_a_purge_names_what_was_out_of_reach() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    let here = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let there = to(&fleet, &disk.path());
    disk.unmount();
    fleet.tenancy.suspend(&id()).unwrap();
    fleet.tenancy.archive(&id()).unwrap();
    let tenancy = &fleet.tenancy;
    tenancy.delete(&id(), "TH001", Retention::NONE).unwrap();
    let options = PurgeOptions::default().backups(BackupsOnPurge::Remove);
    let certificate = tenancy.purge_with(&id(), "TH001", &options).unwrap();
    assert_eq!(certificate.backups_left, [there.id]);
    assert_eq!(certificate.backups_removed, 1);
    assert!(!here.path.exists());
    assert_eq!(
        ids(&fleet),
        [there.id],
        "it is known, so that it can be removed"
    );
    let written = tenancy.certificate(&certificate.uuid).unwrap();
    assert_eq!(written, Some(certificate));
    disk.mount();
    tenancy.remove_backup(there.id).unwrap();
    assert!(beside_the_mark(&disk.path()).is_empty());
}

/// The mark that a backup of that night made in the empty mount point was taken for the disk's, and the disk's for that: what was
/// on the one was forgotten when the other was looked at.
#[test]
fn a_mount_point_with_a_mark_of_its_own_is_another_directory_than_its_disk() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    let each = BackupOptions::new().directory(disk.path());
    let set = BackupSetOptions::new().each(each);
    let set = fleet.tenancy.backup_all(&set, |_| {}).unwrap();
    let [shared, on_it] = &set.members[..] else {
        panic!("{set:?}");
    };
    disk.unmount();
    let under_it = to(&fleet, &disk.path());
    let refused = |id| {
        let refused = fleet.tenancy.remove_backup(id).unwrap_err();
        assert!(refused.is_out_of_reach(), "{refused}");
        refused.to_string()
    };
    refused(on_it.id);
    assert_eq!(ids(&fleet).len(), 3);
    disk.mount_over();
    let why = refused(under_it.id);
    for id in [on_it.id, shared.id] {
        fleet.tenancy.remove_backup(id).unwrap();
    }
    assert_eq!(ids(&fleet), [under_it.id]);

    // What was put under it is gone for good, and somebody says so.
    let line = why.split("no line ").nth(1).unwrap();
    let line = &line[..36];
    let marks = fs::read_dir(disk.path()).unwrap();
    let mark = marks
        .map(|entry| entry.unwrap().path())
        .find(|it| it.is_file());
    let mark = mark.unwrap();
    let text = fs::read_to_string(&mark).unwrap();
    fs::write(&mark, format!("{text}{line}\n")).unwrap();
    fleet.tenancy.remove_backup(under_it.id).unwrap();
    assert!(ids(&fleet).is_empty());

    // One of an earlier build has no id, and tells as much as it did.
    fs::write(&mark, text.lines().next().unwrap()).unwrap();
    let backup = to(&fleet, &disk.path());
    fs::remove_dir_all(&backup.path).unwrap();
    fleet.tenancy.remove_backup(backup.id).unwrap();
    assert!(ids(&fleet).is_empty());
}

/// Several installations may back up to one disk; the mark of another says nothing of this one's.
#[test]
fn the_mark_of_another_catalogue_is_none() {
    let (fleet, another, disk) = (fleet(), crate::app::fleet(), Disk::new());
    fleet.create("TH001");
    another.create("TH001");
    let backup = to(&fleet, &disk.path());
    disk.unmount();
    to(&another, &disk.path());
    let refused = fleet.tenancy.remove_backup(backup.id).unwrap_err();
    assert!(refused.is_out_of_reach(), "{refused}");
    assert_eq!(ids(&fleet), [backup.id]);
}

/// As in directories from before there were marks.
#[cfg(feature = "failpoints")]
#[test]
fn what_is_seen_is_removed_without_a_mark() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    std::os::unix::fs::symlink(disk.path(), mount_point(&fleet.root)).unwrap();
    let backup = to(&fleet, &disk.path());
    half_made(&fleet, "backup to a disk: TH001", "backup.described");
    let marks = fs::read_dir(disk.path()).unwrap();
    let mut marks = marks.map(|entry| entry.unwrap().path());
    let is_mark = |path: &PathBuf| path.is_file();
    fs::remove_file(marks.find(is_mark).unwrap()).unwrap();
    fleet.tenancy.remove_backup(backup.id).unwrap();
    fleet.tenancy.recover().unwrap();
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
}

/// Killed when the certificate says it all, it is not counted again by whoever finishes it; and what came within reach
/// since is not named by the next one.
#[cfg(feature = "failpoints")]
#[test]
fn a_certificate_counts_each_backup_once() {
    let (fleet, disk) = (fleet(), Disk::new());
    let tenant = fleet.create("TH001");
    let file = fleet.file(&tenant, 1);
    let uuid = tenant.uuid();
    fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let there = to(&fleet, &disk.path());
    drop(tenant);
    disk.unmount();
    let aside = fleet.root.with_file_name("aside");
    fs::copy(&file, &aside).unwrap();
    crate::app::delete_at_once(&fleet.tenancy, &id());
    let mut child = actors::command("purge", &fleet.root);
    child.env("DIESEL_TENANTS_FAILPOINT", "purge.certified=kill");
    assert!(!child.status().unwrap().success());
    fleet.tenancy.recover().unwrap();
    let certificate = || fleet.tenancy.certificate(&uuid).unwrap().unwrap();
    assert_eq!(certificate().backups_left, [there.id]);
    assert_eq!(certificate().backups_removed, 1);

    disk.mount();
    fleet.tenancy.remove_backup(there.id).unwrap();
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::rename(&aside, &file).unwrap();
    fleet.tenancy.purge_undead(&uuid, "TH001").unwrap();
    assert!(certificate().backups_left.is_empty());
    assert!(!file.exists());
}

/// What was half made counts as well, and is that tenant's alone.
#[cfg(feature = "failpoints")]
#[test]
fn the_certificate_names_what_was_half_made_and_is_out_of_reach() {
    let (fleet, disk) = (fleet(), Disk::new());
    std::os::unix::fs::symlink(disk.path(), mount_point(&fleet.root)).unwrap();
    let signals = tempfile::tempdir().unwrap();
    // Whoever opens the library clears up after the dead, so both are alive for now.
    let half_made = ["TH001", "TH002"].map(|name| {
        fleet.create(name);
        let (part, its) = (
            format!("backup to a disk: {name}"),
            signals.path().join(name),
        );
        fs::create_dir(&its).unwrap();
        crate::crashes::paused(&part, &fleet.root, "backup.described", &its).0
    });
    disk.unmount();
    drop(half_made);
    crate::app::delete_at_once(&fleet.tenancy, &id());
    let options = PurgeOptions::default().backups(BackupsOnPurge::Remove);
    let certificate = fleet.tenancy.purge_with(&id(), "TH001", &options).unwrap();
    assert_eq!(certificate.backups_left.len(), 1, "{certificate:?}");
    disk.mount();
    fleet.tenancy.recover().unwrap();
    assert!(beside_the_mark(&disk.path()).is_empty());
}

/// A disk that is not mounted does not hide what else went wrong: a purge goes on past the one, and not past the other.
#[cfg(feature = "failpoints")]
#[test]
fn a_failing_disk_is_told_before_one_that_is_not_mounted() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    std::os::unix::fs::symlink(disk.path(), mount_point(&fleet.root)).unwrap();
    half_made(&fleet, "backup to a disk: TH001", "backup.described");
    disk.unmount();
    half_made(&fleet, "backup", "backup.described");
    // A file in its place cannot be removed as a directory.
    let staging = beside_the_mark(&fleet.root.join("backups")).pop_first();
    let (staging, aside) = (staging.unwrap(), fleet.root.with_file_name("aside"));
    fs::rename(&staging, &aside).unwrap();
    fs::write(&staging, "").unwrap();
    match fleet.tenancy.recover() {
        Err(LifecycleError::Backup(why)) => assert!(!why.is_out_of_reach(), "{why}"),
        other => panic!("{other:?}"),
    }
    fs::remove_file(&staging).unwrap();
    disk.mount();
    fleet.tenancy.recover().unwrap();
}

/// The mark is there before anything is written down, so a place that is in the catalogue can be told from an empty one.
#[cfg(feature = "failpoints")]
#[test]
fn what_has_just_begun_is_within_reach() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    let link = mount_point(&fleet.root);
    std::os::unix::fs::symlink(disk.path(), &link).unwrap();
    for (part, point) in [
        ("backup to a disk: TH001", "backup.begun"),
        ("backup all to a disk", "backup-set.begun"),
    ] {
        half_made(&fleet, part, point);
        fleet.tenancy.recover().unwrap();
        // For the next one it is another disk.
        for name in fs::read_dir(disk.path()).unwrap() {
            fs::remove_file(name.unwrap().path()).unwrap();
        }
    }
}

/// A set is forgotten when its last backup is removed, and not while its manifest may be on a disk that is not mounted.
#[test]
fn a_set_that_is_out_of_reach_is_not_forgotten() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    let each = BackupOptions::new().directory(disk.path());
    let set = BackupSetOptions::new().each(each);
    let set = fleet.tenancy.backup_all(&set, |_| {}).unwrap();
    for member in &set.members {
        fleet.tenancy.remove_backup(member.id).unwrap();
    }
    disk.unmount();
    let prune = || {
        let report = fleet.tenancy.prune_backups(&ONLY_THE_NEWEST, false);
        assert!(report.unwrap().failed.is_empty());
    };
    prune();
    disk.mount();
    assert!(set.path.exists());
    prune();
    assert!(!set.path.exists());
}

/// A child process is killed at `point` of its part.
#[cfg(feature = "failpoints")]
fn half_made(fleet: &Fleet, part: &str, point: &str) {
    let mut child = actors::command(part, &fleet.root);
    child.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
    assert!(
        !child.status().unwrap().success(),
        "{point} was not reached"
    );
}

/// The row was forgotten before the disk was there, and the half made copy stayed on it for ever, with patients' data.
#[test]
fn what_was_half_made_is_taken_away_when_its_disk_is_there_again() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    let link = mount_point(&fleet.root);
    std::os::unix::fs::symlink(disk.path(), link).unwrap();
    let mut child = actors::command("backup to a disk: TH001", &fleet.root);
    child.env("DIESEL_TENANTS_FAILPOINT", "backup.described=kill");
    assert!(!child.status().unwrap().success());
    assert_eq!(beside_the_mark(&disk.path()).len(), 1);

    disk.unmount();
    match fleet.tenancy.recover() {
        Err(LifecycleError::Backup(why)) if why.is_out_of_reach() => {}
        other => panic!("it does not say what is not done: {other:?}"),
    }
    drop(fleet.again());
    disk.mount();
    assert_eq!(beside_the_mark(&disk.path()).len(), 1);
    fleet.tenancy.recover().unwrap();
    assert!(beside_the_mark(&disk.path()).is_empty());
}

fn mount_point(root: &Path) -> PathBuf {
    root.with_file_name("mount-point")
}

/// The parts of child processes: backups to the mount point beside the data directory.
pub(super) fn play(part: &str, root: &Path) -> bool {
    let Some((what, to)) = part.split_once(" to a disk") else {
        return false;
    };
    let tenancy = builder(root).open().unwrap();
    let options = BackupOptions::new().directory(mount_point(root));
    match to.strip_prefix(": ") {
        Some(id) => drop(tenancy.backup(&id.parse().unwrap(), &options).unwrap()),
        None => {
            assert_eq!(what, "backup all");
            let set = BackupSetOptions::new().each(options);
            tenancy.backup_all(&set, |_| {}).unwrap();
        }
    }
    true
}
