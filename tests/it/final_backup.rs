//! The final backup of a tenant: all of it is in there, it outlives the purge, and without it nothing is removed.
use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, QueryDsl, RunQueryDsl, SqliteConnection};
use diesel_tenants::error::PurgeError;
use diesel_tenants::{
    BackupFilter, BackupOptions, BackupReason, BackupRecord, BackupsOnPurge, PurgeOptions,
    RetentionPolicy, prelude::*,
};

use crate::actors::{say, told};
use crate::app::{builder, delete_at_once};
use crate::crashes::{self, Operation};
use crate::purge::{one_due, usable};
use crate::world;

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

fn with_final_backup() -> PurgeOptions {
    PurgeOptions::default()
        .backups(BackupsOnPurge::Remove)
        .final_backup(BackupOptions::new())
}

/// The parts of this module; see [`actors`](crate::actors).
pub(crate) fn act(part: &str, root: &Path) -> bool {
    let Some(part) = part.strip_prefix("final backup: ") else {
        return false;
    };
    let tenancy = builder(root).open().unwrap();
    let purge = |options: &PurgeOptions| match tenancy.purge_with(&id(), "TH001", options) {
        Ok(_) => "purged",
        Err(PurgeError::OnHold { .. }) => "on hold",
        Err(PurgeError::FinalBackup { source, .. }) if source.is_disk_full() => "disk is full",
        Err(_) => "not done",
    };
    match part {
        "purge" => say(purge(&with_final_backup())),
        "purge twice" => {
            say("ready");
            told();
            let first = purge(&with_final_backup());
            say(first);
            told();
            if first != "purged" {
                // `rename` and `renameat2` are counted apart: the second attempt may meet a failure of its own.
                assert!((0..2).any(|_| purge(&with_final_backup()) == "purged"));
            }
            say("done");
        }
        // In a mount namespace of its own.
        "purge to a full disk" => {
            let disk = root.with_file_name("disk");
            std::fs::create_dir(&disk).unwrap();
            let mut mount = std::process::Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", "size=16k", "none"]);
            assert!(mount.arg(&disk).status().unwrap().success());
            let full = BackupOptions::new().directory(&disk);
            say(purge(&PurgeOptions::default().final_backup(full)));
            let left = std::fs::read_dir(&disk).unwrap();
            let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let half = left.filter(|name| !name.starts_with(".tenants-")).count();
            say(format!("{half} left"));
        }
        _ => return false,
    }
    true
}

/// TH001 with three rows, a backup that goes with it, and due.
fn due(root: &Path) {
    crashes::with_rows(root);
    let tenancy = builder(root).open().unwrap();
    tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    delete_at_once(&tenancy, &id());
}

fn backups(tenancy: &Tenancy) -> Vec<BackupRecord> {
    tenancy.backups(&BackupFilter::all()).unwrap()
}

/// What the patients in a backup are called. Nothing restores what was purged, so it is read as anybody could.
fn patients(backup: &BackupRecord) -> Vec<String> {
    let url = format!("file:{}/db.sqlite3?immutable=1", backup.path.display());
    let mut conn = SqliteConnection::establish(&url).unwrap();
    let names = crate::app::patients::table.select(crate::app::patients::name);
    names.load(&mut conn).unwrap()
}

const PURGE: Operation = Operation {
    part: "final backup: purge",
    before: due,
    outcome: |tenancy| {
        let backups = backups(tenancy);
        let finals = backups.iter().filter(|b| b.reason == BackupReason::Final);
        let finals: Vec<&BackupRecord> = finals.collect();
        for backup in &finals {
            tenancy.verify_backup(&(*backup).into()).unwrap();
            assert_eq!(patients(backup), ["one", "two", "three"]);
        }
        match tenancy.tenants().unwrap().as_slice() {
            [] => {
                assert_eq!((backups.len(), finals.len()), (1, 1), "{backups:?}");
                let of = backups[0].tenant.unwrap().uuid;
                let certificate = tenancy.certificate(&of).unwrap().unwrap();
                assert_eq!(certificate.final_backup, Some(backups[0].id));
                assert_eq!(certificate.backups_removed, 1);
                true
            }
            [tenant] => {
                assert_eq!(tenant.status, Status::Archived);
                assert_eq!(backups.len(), 1 + finals.len());
                usable(tenancy);
                assert_eq!(world::rows(tenancy), ["one", "two", "three", "writable"]);
                false
            }
            more => panic!("{more:?}"),
        }
    },
};

#[cfg(feature = "failpoints")]
#[test]
fn purge_with_it_at_every_step() {
    crashes::failpoints::many_steps(&PURGE, 24);
}

#[test]
fn killed_and_failing_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_at_few_system_calls(&PURGE);
    assert!(kills >= 5, "{kills}: the sweep did not get far");
    let failures = crashes::fail_at_system_calls("final backup: purge twice", &PURGE);
    assert!(failures >= 4, "{failures}: the sweep did not get far");
}

#[test]
fn the_certificate_names_it_and_retention_ends_it() {
    let (fleet, _tenant) = one_due();
    let tenancy = &fleet.tenancy;
    let elsewhere = fleet.root.with_file_name("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let to = BackupOptions::new()
        .directory(&elsewhere)
        .reason(BackupReason::Manual);
    let options = PurgeOptions::default()
        .backups(BackupsOnPurge::Remove)
        .final_backup(to);
    let certificate = tenancy.purge_with(&id(), "TH001", &options).unwrap();
    assert_eq!(certificate.backups_removed, 1);
    let left = backups(tenancy);
    let [last] = left.as_slice() else {
        panic!("{left:?}");
    };
    assert_eq!(certificate.final_backup, Some(last.id));
    assert_eq!(last.reason, BackupReason::Final);
    assert!(last.path.starts_with(elsewhere.canonicalize().unwrap()));
    assert_eq!(patients(last), ["of the deleted one"]);

    let end = |after_purge| {
        let policy = RetentionPolicy {
            after_purge,
            ..RetentionPolicy::default()
        };
        tenancy.prune_backups(&policy, false).unwrap().removed.len()
    };
    assert_eq!(end(None), 0);
    assert_eq!(end(Some(Duration::from_secs(3600))), 0);
    assert_eq!(end(Some(Duration::ZERO)), 1);
    // Nobody asked for one.
    let (fleet, _tenant) = one_due();
    let take = |reason| {
        let options = BackupOptions::new().reason(reason);
        fleet.tenancy.backup(&id(), &options).unwrap()
    };
    // Somebody else took one since.
    let last = take(BackupReason::Final);
    let (gone, newer) = (take(BackupReason::Manual), take(BackupReason::Manual));
    let certificate = fleet.tenancy.purge(&id(), "TH001").unwrap();
    assert_eq!(certificate.final_backup, None);
    let one = RetentionPolicy {
        keep_last: 1,
        daily: 0,
        weekly: 0,
        monthly: 0,
        after_purge: None,
    };
    let pruned = fleet.tenancy.prune_backups(&one, false).unwrap();
    assert_eq!(pruned.removed, [gone]);
    assert_eq!(backups(&fleet.tenancy), [newer, last]);
}

#[test]
fn where_it_cannot_be_taken_nothing_is_removed() {
    // Its database is damaged.
    let (fleet, _tenant) = one_due();
    let file = fleet.tenancy.database_file(&id()).unwrap().path;
    let (root, _dir) = fleet.close();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let tenancy = builder(&root).open().unwrap();
    let refused = tenancy.purge_with(&id(), "TH001", &with_final_backup());
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, PurgeError::FinalBackup { .. }),
        "{refused:?}"
    );
    assert_eq!(tenancy.tenants().unwrap()[0].status, Status::Archived);
    assert!(file.exists() && tenancy.unfinished().unwrap().is_empty());
    tenancy.purge(&id(), "TH001").unwrap();

    // The disk it is to be put on is full.
    let Some(unshare) = crashes::with_mounts() else {
        return;
    };
    let (fleet, _tenant) = one_due();
    let part = "final backup: purge to a full disk";
    let command = crate::actors::command_under(unshare(), part, &fleet.root);
    let mut actor = crate::actors::Actor::from(command);
    assert_eq!(actor.hear().as_deref(), Some("disk is full"));
    assert_eq!(actor.hear().as_deref(), Some("0 left"));
    assert!(actor.wait().success());
    let tenancy = world::check(&fleet.root);
    assert!(backups(&tenancy).is_empty());
    assert_eq!(tenancy.tenants().unwrap()[0].status, Status::Archived);
    usable(&tenancy);
}

/// A process of an earlier build, in a rolling update, finishes every purge of a dead one. This one has only begun to make its
/// backup, so it is called otherwise, and what a build does not know it leaves to those that do.
#[cfg(feature = "failpoints")]
#[test]
fn an_earlier_build_that_finishes_every_purge_does_not_finish_one_that_was_only_prepared() {
    let (fleet, _tenant) = one_due();
    let file = fleet.tenancy.database_file(&id()).unwrap().path;
    let mut child = crate::actors::command("final backup: purge", &fleet.root);
    child.env("DIESEL_TENANTS_FAILPOINT", "final-backup.taken=kill");
    assert!(crashes::run(child));
    let sql = |sql: &str| {
        let mut shared = fleet.tenancy.shared().unwrap();
        shared.unrouted("the journal", |raw| raw.connection().batch_execute(sql))
    };
    // Fails where there is any other.
    let only =
        "CREATE TEMP TABLE kinds (kind TEXT CHECK (kind = 'final-backup')); INSERT INTO kinds
                SELECT kind FROM __tenants_operations WHERE finished_at IS NULL; DROP TABLE kinds";
    sql(only).unwrap();
    let call_it = |kind: &str| {
        let called =
            format!("UPDATE __tenants_operations SET kind = '{kind}' WHERE finished_at IS NULL");
        sql(&called).unwrap();
    };
    // What it is for a build that does not know it.
    call_it("of-a-later-build");
    let tenancy = fleet.again();
    tenancy.recover().unwrap_err();
    let refused = tenancy.purge(&id(), "TH001").unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(
        format!("{refused}: {why}").contains("run the build that began it"),
        "{refused}: {why}"
    );
    assert_eq!(tenancy.tenants().unwrap()[0].status, Status::Restoring);
    assert!(file.exists());
    // An earlier build that knows of final backups calls it a purge: the status says how far it is.
    call_it("purge");
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(tenancy.tenants().unwrap()[0].status, Status::Archived);
    tenancy
        .purge_with(&id(), "TH001", &with_final_backup())
        .unwrap();
    // What is committed is a purge, for every build.
    let none =
        "CREATE TEMP TABLE kinds (kind TEXT CHECK (kind <> 'final-backup')); INSERT INTO kinds
                SELECT kind FROM __tenants_operations; DROP TABLE kinds";
    sql(none).unwrap();
}

/// Somebody who had the database open all the while can write nothing that would not be in it, and who lays a hold
/// while it is taken is not too late.
#[cfg(feature = "failpoints")]
#[test]
fn nothing_is_written_after_it_and_a_hold_in_between_counts() {
    let (fleet, _tenant) = one_due();
    let file = fleet.tenancy.database_file(&id()).unwrap().path;
    let mut stale = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let mut write = || stale.batch_execute("INSERT INTO patients (name, ward) VALUES ('x', 'A')");
    write().unwrap();
    let signals = fleet.root.parent().unwrap();
    let (mut actor, go_on) = crashes::paused(
        "final backup: purge",
        &fleet.root,
        "final-backup.taken",
        signals,
    );
    let fenced = write().unwrap_err().to_string();
    fleet.tenancy.hold(&id(), "court order").unwrap();
    std::fs::write(&go_on, "").unwrap();
    assert_eq!(actor.hear().as_deref(), Some("on hold"), "{fenced}");
    assert!(actor.wait().success());
    fleet.tenancy.recover().unwrap();
    let taken = backups(&fleet.tenancy);
    assert_eq!(patients(&taken[0]), ["of the deleted one", "x"]);
    write().unwrap();
    fleet.tenancy.release_hold(&id()).unwrap();
    usable(&fleet.tenancy);
}

/// What was undone stood in the journal as a purge until its end was written down, and a purge is finished.
#[cfg(feature = "failpoints")]
#[test]
fn one_that_was_undone_is_not_gone_on_with() {
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    due(&root);
    for (part, point) in [
        (PURGE.part, "final-backup.taken"),
        ("open", "settle.settled"),
    ] {
        let mut command = crate::actors::command(part, &root);
        command.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
        assert!(crashes::run(command), "{point} was not reached");
    }
    let tenancy = world::check(&root);
    assert!(!(PURGE.outcome)(&tenancy), "it was purged");
}
