//! A catalogue that is older than the databases: a virtual machine that was set back, a shared database put back by
//! hand. Whatever it believes in, no database that somebody has written to is removed or passed over for an older one.
use std::path::{Path, PathBuf};

use diesel_tenants::prelude::*;
use diesel_tenants::repair::RepairOptions;
use diesel_tenants::verify::{Finding, Health, VerifyOptions};
use diesel_tenants::{BackupFilter, BackupOptions, BackupRef, RestoreOptions, Status};

use crate::app::{admit, builder, names};
use crate::crashes::copy;

const FAILPOINT: &str = "DIESEL_TENANTS_FAILPOINT";

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

fn confirmed() -> RestoreOptions {
    RestoreOptions::confirmed("TH001")
}

/// Where the shared database is set aside, with what belongs to it, while nobody has it open.
fn shared(root: &Path, copies: &Path, to_root: bool) {
    for suffix in ["", "-wal", "-shm"] {
        let (live, aside) = (
            root.join(format!("shared.sqlite3{suffix}")),
            copies.join(format!("shared.sqlite3{suffix}")),
        );
        let (from, to) = if to_root {
            (aside, live)
        } else {
            (live, aside)
        };
        let _ = std::fs::remove_file(&to);
        if from.exists() {
            copy(&from, &to);
        }
    }
}

/// The file of a generation of the only tenant.
fn file(root: &Path, generation: u64) -> PathBuf {
    let tenants = root.join("tenants");
    let mut directories = std::fs::read_dir(tenants).unwrap();
    let directory = directories.next().unwrap().unwrap().path();
    directory.join(format!("g{generation}.sqlite3"))
}

/// The names of the patients in a database nobody has open.
fn rows(file: &Path) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Patient {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let all = diesel::sql_query("SELECT name FROM patients ORDER BY id");
    let rows = diesel::RunQueryDsl::load::<Patient>(all, &mut conn).unwrap();
    rows.into_iter().map(|row| row.name).collect()
}

/// A tenant at generation 2 with rows in it, under a catalogue that was put back to when there was generation 1 only.
pub(crate) fn set_back(root: &Path, copies: &Path) -> BackupRef {
    let tenancy = builder(root).open().unwrap();
    let tenant = tenancy.create(&id(), NewTenant::named("x")).unwrap();
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    let backup = tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    drop((tenant, tenancy));
    shared(root, copies, false);
    let tenancy = builder(root).open().unwrap();
    let backup = BackupRef::path(backup.path);
    tenancy.restore(&id(), &backup, &confirmed()).unwrap();
    admit(&mut tenancy.tenant(&id()).unwrap(), "acknowledged").unwrap();
    drop(tenancy);
    shared(root, copies, true);
    backup
}

#[test]
fn nothing_is_made_of_an_old_generation_while_a_newer_one_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let backup = set_back(&root, dir.path());
    let tenancy = builder(&root).open().unwrap();
    let tried: [(&str, diesel_tenants::Error); 4] = [
        (
            "restore",
            tenancy
                .restore(&id(), &backup, &confirmed())
                .unwrap_err()
                .into(),
        ),
        ("undo", tenancy.undo(&id(), "TH001").unwrap_err().into()),
        (
            "recreate",
            tenancy.recreate(&id(), "TH001").unwrap_err().into(),
        ),
        ("compact", tenancy.compact(&id()).unwrap_err().into()),
    ];
    for (verb, error) in tried {
        let text = said(&error);
        let undo = verb == "undo" && text.contains("undo");
        assert!(undo || text.contains("restore-shared"), "{verb}: {text}");
    }
    assert!(file(&root, 1).exists() && file(&root, 2).exists() && !file(&root, 3).exists());
    let record = tenancy.handle(&id()).unwrap().record().unwrap();
    assert_eq!((record.status, record.generation), (Status::Active, 1));
    assert_eq!(tenancy.backups(&BackupFilter::all()).unwrap().len(), 1);
    drop(tenancy);
    assert_eq!(rows(&file(&root, 2)), ["before", "acknowledged"]);
}

/// An error and its causes.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Somebody gave the tenant a number by hand: what is older and was never closed may have the newest rows.
#[test]
fn an_older_generation_that_was_never_closed_is_no_leftover() {
    let fleet = crate::app::fleet();
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "acknowledged").unwrap();
    let open = file(&fleet.root, 1);
    let aside = open.with_extension("aside");
    fleet.tenancy.suspend(&id()).unwrap();
    copy(&open, &aside);
    fleet.tenancy.resume(&id()).unwrap();
    fleet.tenancy.compact(&id()).unwrap();
    std::fs::rename(&aside, &open).unwrap();
    let verified = fleet
        .tenancy
        .verify(&id(), &VerifyOptions::default())
        .unwrap();
    let unknown = Finding::UnknownGeneration { generation: 1 };
    assert!(verified.reasons.contains(&unknown), "{verified:?}");
    assert!(verified.status > Health::Incomplete);
}

#[test]
fn a_generation_newer_than_the_catalogue_is_no_leftover() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    set_back(&root, dir.path());
    let tenancy = builder(&root).open().unwrap();
    let verified = tenancy.verify(&id(), &VerifyOptions::default()).unwrap();
    let newer: Vec<_> = verified
        .reasons
        .iter()
        .filter(|finding| matches!(finding, Finding::NewerGeneration { generation: 2 }))
        .collect();
    assert_eq!(newer.len(), 1, "{verified:?}");
    assert!(newer[0].to_string().contains("restore the shared database"));
    assert!(verified.status > Health::Incomplete);
    // Lowering the fence of generation 1 would serve what is old as if it were the newest.
    let repaired = tenancy.plan_repair(&id(), &RepairOptions::default());
    assert!(repaired.is_err(), "{repaired:?}");
    assert!(tenancy.tenant(&id()).is_err());
}

/// Somebody tidies up the directory that says who is alive. The operation of one who is was undone while it went on, and then it
/// committed: the catalogue named what had been removed, and what was there before was removed as well.
#[cfg(feature = "failpoints")]
#[test]
fn who_was_held_for_dead_commits_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    crate::crashes::with_rows(&root);
    let instances = || std::fs::read_dir(root.join("instances")).unwrap();
    let before: Vec<_> = instances().map(|entry| entry.unwrap().path()).collect();
    let point = "generation.published";
    let (mut compacting, go_on) = crate::crashes::paused("compact", &root, point, dir.path());
    for entry in instances().map(|entry| entry.unwrap().path()) {
        if !before.contains(&entry) {
            std::fs::remove_file(entry).unwrap();
        }
    }
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(tenancy.unfinished().unwrap(), [], "it is undone");
    let (name, world) = ("after it was undone", crate::world::rows(&tenancy));
    admit(&mut tenancy.tenant(&id()).unwrap(), name).unwrap();
    // Somebody else is at it by now, and the fence there is theirs.
    let fenced = "generation.fenced";
    let (mut next, go_on_next) = crate::crashes::paused("compact", &root, fenced, dir.path());
    std::fs::write(go_on, "").unwrap();
    assert_eq!(compacting.hear(), None, "it committed");
    compacting.wait();
    assert!(file(&root, 1).exists() && !file(&root, 2).exists());
    let mut stale = SqliteConnection::establish(file(&root, 1).to_str().unwrap()).unwrap();
    let late = "INSERT INTO patients (name, ward) VALUES ('late', 'A')";
    let refused = diesel::connection::SimpleConnection::batch_execute(&mut stale, late);
    assert!(refused.unwrap_err().to_string().contains("fenced"));
    drop(stale);
    std::fs::write(go_on_next, "").unwrap();
    assert_eq!(next.hear().as_deref(), Some("compacted"));
    next.wait();
    assert_eq!(crate::world::rows(&tenancy).len(), world.len() + 1);
    tenancy.compact(&id()).unwrap();
    assert_eq!(crate::world::rows(&tenancy).len(), world.len() + 1);
}

/// The catalogue is put back to the middle of an operation, which has ended since and whose database is in use.
#[cfg(feature = "failpoints")]
#[test]
fn what_has_been_in_use_is_not_undone() {
    for (part, generation) in [("compact", 2), ("create", 1)] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        if part == "compact" {
            crate::crashes::with_rows(&root);
        } else {
            drop(builder(&root).open().unwrap());
        }
        // Killed with the operation in the journal, its database in place, and not named by the catalogue yet.
        let point = match part {
            "compact" => "generation.published",
            _ => "create.published",
        };
        let mut command = crate::actors::command(part, &root);
        command.env(FAILPOINT, format!("{point}=kill"));
        assert!(crate::crashes::run(command));
        let killed = dir.path().join("killed");
        copy(&root, &killed);
        // Left like that it is undone.
        let tenancy = builder(&killed).open().unwrap();
        let tenants = tenancy.tenants().unwrap();
        assert_eq!(tenants.len(), usize::from(part == "compact"));
        assert!(tenants.iter().all(|record| record.generation == 1));
        drop(tenancy);
        assert_eq!(
            root.join("tenants").read_dir().unwrap().count(),
            1,
            "the directory is there to look into"
        );
        // Had it not been killed, somebody would have written to it.
        let live = file(&root, generation);
        use_once(&root, &live);
        let before = rows(&live);
        for _ in 0..2 {
            let tenancy = builder(&root).open().unwrap();
            let error = tenancy.recover().unwrap_err();
            let text = said(&error);
            assert!(text.contains("restore the shared database"), "{text}");
            assert!(tenancy.tenant(&id()).is_err(), "what is old is not served");
        }
        assert_eq!(rows(&live), before, "{part}");
    }
}

/// Enters a row through the library, as whoever was told of the tenant's newest database does.
#[cfg(feature = "failpoints")]
fn use_once(root: &Path, live: &Path) {
    let aside = root.with_extension("aside");
    std::fs::create_dir(&aside).unwrap();
    shared(root, &aside, false);
    let conn = &mut SqliteConnection::establish(root.join("shared.sqlite3").to_str().unwrap());
    let conn = conn.as_mut().unwrap();
    let generation = if live.ends_with("g2.sqlite3") { 2 } else { 1 };
    diesel::connection::SimpleConnection::batch_execute(
        conn,
        &format!(
            "UPDATE __tenants_operations SET finished_at = started_at, outcome = 'done';
             UPDATE __tenants_tenants SET status = 'active', generation = {generation};
             UPDATE __tenants_catalog SET change_seq = change_seq + 1;
             UPDATE __tenants_tenants SET change_seq = (SELECT change_seq FROM __tenants_catalog);"
        ),
    )
    .unwrap();
    let _ = conn;
    let tenancy = builder(root).open().unwrap();
    let mut ctx = tenancy.tenant(&id()).unwrap();
    admit(&mut ctx, "acknowledged").unwrap();
    assert!(names(&mut ctx).contains(&"acknowledged".to_owned()));
    drop((ctx, tenancy));
    shared(root, &aside, true);
}

/// What lies in the directory of a tenant that was never finished, and is not of its creation, is not removed with it.
#[cfg(feature = "failpoints")]
#[test]
fn a_creation_is_not_undone_over_other_files() {
    for found in ["g2.sqlite3", "g1.sqlite3.bak"] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let mut command = crate::actors::command("create", &root);
        command.env(FAILPOINT, "create.staged=kill");
        assert!(crate::crashes::run(command));
        let planted = file(&root, 1).with_file_name(found);
        std::fs::write(&planted, "somebody's").unwrap();
        let tenancy = builder(&root).open().unwrap();
        assert!(tenancy.recover().is_err());
        assert_eq!(std::fs::read(&planted).unwrap(), b"somebody's");
        std::fs::remove_file(&planted).unwrap();
        tenancy.recover().unwrap();
        drop(tenancy);
        assert!(crate::world::check(&root).tenants().unwrap().is_empty());
    }
}

/// The catalogue is put back to when a tenant was reserved, which was completed and has moved on since: it is not made
/// anew beside its own database, nor served empty.
#[test]
fn a_reservation_is_not_completed_over_the_live_database() {
    for generation in [1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let tenancy = builder(&root).open().unwrap();
        tenancy.reserve(&id(), NewTenant::named("x")).unwrap();
        let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
        drop(tenancy);
        shared(&root, dir.path(), false);
        let tenancy = builder(&root).open().unwrap();
        let tenant = tenancy.complete(&id()).unwrap();
        admit(&mut tenant.enter().unwrap(), "acknowledged").unwrap();
        if generation == 2 {
            tenancy.compact(&id()).unwrap();
        }
        drop((tenant, tenancy));
        shared(&root, dir.path(), true);

        let tenancy = builder(&root).open().unwrap();
        for _ in 0..2 {
            assert!(tenancy.complete(&id()).is_err());
            assert!(tenancy.tenant(&id()).is_err());
        }
        drop(tenancy);
        assert_eq!(rows(&file(&root, generation)), ["acknowledged"]);
        builder(&root).restore_shared(&backup.path).unwrap();
        let tenancy = builder(&root).open().unwrap();
        let found = tenancy.handle(&id()).unwrap().record().unwrap();
        assert_eq!(found.generation, generation);
        assert_eq!(names(&mut tenancy.tenant(&id()).unwrap()), ["acknowledged"]);
    }
}

/// A completion under a higher number is undone like any other creation: it removes what it made, and nothing else.
#[cfg(feature = "failpoints")]
#[test]
fn a_completion_is_undone_under_whatever_number() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    tenancy.reserve(&id(), NewTenant::named("x")).unwrap();
    drop(tenancy);
    for generation in 1..=3 {
        let mut command = crate::actors::command("complete", &root);
        command.env(FAILPOINT, "create.published=kill");
        assert!(crate::crashes::run(command));
        let made = file(&root, generation);
        assert!(made.exists(), "{generation}");
        if generation == 2 {
            let planted = file(&root, 1);
            std::fs::write(&planted, "somebody's").unwrap();
            let tenancy = builder(&root).open().unwrap();
            assert!(tenancy.recover().is_err());
            assert_eq!(std::fs::read(&planted).unwrap(), b"somebody's");
            assert!(made.exists());
            std::fs::remove_file(&planted).unwrap();
        }
        let tenancy = builder(&root).open().unwrap();
        let _ = tenancy.recover();
        let record = tenancy.handle(&id()).unwrap().record().unwrap();
        assert_eq!(record.status, Status::Reserved, "{generation}");
        assert!(!made.exists());
    }
    let tenancy = builder(&root).open().unwrap();
    let tenant = tenancy.complete(&id()).unwrap();
    assert_eq!(tenant.record().unwrap().generation, 4);
    drop((tenant, tenancy));
    crate::world::check(&root);
}

/// A compaction that was killed with its database in place, under another catalogue than the one that began it.
#[cfg(feature = "failpoints")]
fn compacted(root: &Path) -> PathBuf {
    crate::crashes::with_rows(root);
    let mut command = crate::actors::command("compact", root);
    command.env(FAILPOINT, "generation.published=kill");
    assert!(crate::crashes::run(command));
    file(root, 2)
}

#[cfg(feature = "failpoints")]
fn is_not_undone(root: &Path, made: &Path) {
    for _ in 0..2 {
        let tenancy = builder(root).open().unwrap();
        assert!(tenancy.recover().is_err());
        assert!(tenancy.tenant(&id()).is_err(), "what is old is not served");
    }
    assert_eq!(rows(made), ["one", "two", "three"]);
}

/// Nobody has used it, and it was made by another operation, of the same number.
#[cfg(feature = "failpoints")]
#[test]
fn what_another_operation_made_is_not_undone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let made = compacted(&root);
    let shared = root.join("shared.sqlite3");
    let mut conn = SqliteConnection::establish(shared.to_str().unwrap()).unwrap();
    diesel::connection::SimpleConnection::batch_execute(
        &mut conn,
        "UPDATE __tenants_operations SET id = randomblob(16) WHERE finished_at IS NULL",
    )
    .unwrap();
    drop(conn);
    is_not_undone(&root, &made);
}

/// It has ended since, with which the old database was removed, and nobody has used the new one yet: it is all there is.
#[cfg(feature = "failpoints")]
#[test]
fn a_compaction_is_not_undone_when_the_old_database_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let made = compacted(&root);
    let old = dir.path().join("old");
    std::fs::rename(file(&root, 1), &old).unwrap();
    is_not_undone(&root, &made);
    std::fs::rename(&old, file(&root, 1)).unwrap();
    builder(&root).open().unwrap().recover().unwrap();
    assert!(!made.exists());
    let mut ctx = builder(&root).open().unwrap().tenant(&id()).unwrap();
    assert_eq!(names(&mut ctx), ["one", "two", "three"]);
}

/// What lies under the name of what was being made, and is nobody's, is not removed with it.
#[cfg(feature = "failpoints")]
#[test]
fn what_is_not_the_tenants_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    crate::crashes::with_rows(&root);
    let mut command = crate::actors::command("compact", &root);
    command.env(FAILPOINT, "generation.staged=kill");
    assert!(crate::crashes::run(command));
    let found = file(&root, 2);
    std::fs::write(&found, [7; 8192]).unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&found, private).unwrap();
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(names(&mut tenancy.tenant(&id()).unwrap()).len(), 3);
    assert_eq!(std::fs::read(file(&root, 2)).unwrap(), [7; 8192]);
    assert_eq!(tenancy.compact(&id()).unwrap().generation, 3);
}
