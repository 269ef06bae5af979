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

/// The row was forgotten before the disk was there, and the half made copy stayed on it for ever, with patients' data.
#[test]
fn what_was_half_made_is_taken_away_when_its_disk_is_there_again() {
    let (fleet, disk) = (fleet(), Disk::new());
    fleet.create("TH001");
    let link = mount_point(&fleet.root);
    std::os::unix::fs::symlink(disk.path(), link).unwrap();
    let mut child = actors::command("backup to a disk", &fleet.root);
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

/// The part of a child process: a backup to the mount point beside the data directory.
pub(super) fn play(root: &Path) {
    let tenancy = builder(root).open().unwrap();
    let options = BackupOptions::new().directory(mount_point(root));
    tenancy.backup(&id(), &options).unwrap();
}
