//! Restoring, undoing and cloning: what was acknowledged is in the new database or in the one that was kept.
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel_tenants::backend::{ConnectError, InvalidBackup};
use diesel_tenants::prelude::*;
use diesel_tenants::{
    BackupError, BackupFilter, BackupOptions, BackupReason, BackupRecord, BackupRef, CloneOptions,
    OpenError, RestoreError, RestoreOptions,
};

use crate::actors::{Actor, say};
use crate::app::{self, Fleet, admit, builder, fleet, names};
use crate::crashes::{self, Operation};
use crate::world;

mod circles;
mod drills;
mod faults;
mod formats;
mod found;
mod held;
mod kept;
mod named;
mod orphans;
mod reads;
mod recipes;
mod refused;
mod shared;

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

fn confirmed() -> RestoreOptions {
    RestoreOptions::confirmed("TH001")
}

/// A tenant TH001 with one row, and a backup that has it.
fn backed_up() -> (Fleet, TenantHandle, BackupRecord) {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    let backup = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    (fleet, tenant, backup)
}

/// Every row of every table of the application, in the order of the tables and of their rows.
pub(crate) fn dump(ctx: &mut TenantContext) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        line: String,
    }
    ctx.unrouted("a logical dump", |raw| {
        let mut lines = |sql: &str| -> QueryResult<Vec<String>> {
            let found = diesel::sql_query(sql).load::<Line>(raw)?;
            Ok(found.into_iter().map(|line| line.line).collect())
        };
        let tables = lines(
            "SELECT name AS line FROM sqlite_schema
             WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '\\_\\_tenants%' ESCAPE '\\'
             ORDER BY 1",
        )?;
        let mut dump = Vec::new();
        for table in tables {
            let columns = lines(&format!(
                "SELECT 'quote(\"' || name || '\")' AS line FROM pragma_table_info('{table}')"
            ))?;
            let row = columns.join(" || '|' || ");
            dump.push(format!("table {table}"));
            dump.extend(lines(&format!(
                "SELECT {row} AS line FROM \"{table}\" ORDER BY rowid"
            ))?);
        }
        QueryResult::Ok(dump)
    })
    .unwrap()
}

/// The parts of child processes in these tests.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    let newest = |tenancy: &Tenancy| {
        let backups = tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
        BackupRef::from(&backups[0])
    };
    match part {
        "restore" => {
            let tenancy = builder(root).open().unwrap();
            tenancy
                .restore(&id(), &newest(&tenancy), &confirmed())
                .unwrap();
            say("restored");
        }
        "restore twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            crate::actors::told();
            let first = tenancy.restore(&id(), &newest(&tenancy), &confirmed());
            say(match &first {
                Ok(_) => "restored".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            crate::actors::told();
            // Whatever became of it, the tenant is in use and whole.
            writable(&tenancy);
            let backup = BackupRef::from(
                tenancy
                    .backups(&BackupFilter::all())
                    .unwrap()
                    .last()
                    .unwrap(),
            );
            tenancy.restore(&id(), &backup, &confirmed()).unwrap();
            say("done");
        }
        "undo" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.undo(&id(), "TH001").unwrap();
            say("undone");
        }
        "discard" => {
            let tenancy = builder(root).open().unwrap();
            tenancy
                .discard_old_generations(&id(), Duration::ZERO)
                .unwrap();
            say("discarded");
        }
        "discard and tell" => {
            let tenancy = builder(root).open().unwrap();
            say(
                match tenancy.discard_old_generations(&id(), Duration::ZERO) {
                    Err(RestoreError::OnHold { gone, .. }) if gone.is_empty() => {
                        "on hold".to_owned()
                    }
                    Err(error @ RestoreError::OnHold { .. }) => error.to_string(),
                    other => format!("{other:?}"),
                },
            );
        }
        "remove backup and tell" => {
            let tenancy = builder(root).open().unwrap();
            let backups = tenancy.backups(&BackupFilter::all()).unwrap();
            say(match tenancy.remove_backup(backups[0].id) {
                Err(BackupError::OnHold { .. }) => "on hold".to_owned(),
                other => format!("{other:?}"),
            });
        }
        "clone" => {
            let tenancy = builder(root).open().unwrap();
            let new = NewTenant::named("A copy");
            tenancy
                .clone_from_backup(
                    &newest(&tenancy),
                    &"TH002".parse().unwrap(),
                    new,
                    &CloneOptions::new(),
                )
                .unwrap();
            say("cloned");
        }
        "reclaim" => orphans::play(root),
        "restore shared" => shared::play(root),
        "hold TH001" => builder(root)
            .open()
            .unwrap()
            .hold(&id(), "case 14")
            .unwrap(),
        "restore shared or fail" => shared::play_or_fail(root),
        "restore shared twice" => shared::play_twice(root),
        other => return faults::play(other, root),
    }
    true
}

#[test]
fn a_restored_tenant_is_as_it_was_and_undoing_brings_the_rest_back() {
    let (fleet, tenant, backup) = backed_up();
    let then = dump(&mut tenant.enter().unwrap());
    admit(&mut tenant.enter().unwrap(), "after").unwrap();
    let now = dump(&mut tenant.enter().unwrap());

    let restored = fleet
        .tenancy
        .restore(&id(), &BackupRef::from(&backup), &confirmed())
        .unwrap();
    assert_eq!((restored.generation, restored.kept), (2, Some(1)));
    assert_eq!(restored.safety.unwrap().reason, BackupReason::BeforeRestore);
    assert_eq!(dump(&mut tenant.enter().unwrap()), then);
    admit(&mut tenant.enter().unwrap(), "writable").unwrap();

    let undone = fleet.tenancy.undo(&id(), "TH001").unwrap();
    assert_eq!((undone.copy_of, undone.kept), (1, Some(2)));
    assert_eq!(dump(&mut tenant.enter().unwrap()), now);
    admit(&mut tenant.enter().unwrap(), "writable").unwrap();

    // Undoing is undone like anything else.
    fleet.tenancy.undo(&id(), "TH001").unwrap();
    assert_eq!(names(&mut tenant.enter().unwrap()), ["before", "writable"]);
    assert_eq!(fleet.tenancy.old_generations(&id()).unwrap().len(), 3);
    drop(tenant);
    world::check(&fleet.root);
}

#[test]
fn what_was_kept_goes_when_it_is_old_enough() {
    let (fleet, _tenant, backup) = backed_up();
    let tenancy = &fleet.tenancy;
    tenancy
        .restore(&id(), &BackupRef::from(&backup), &confirmed())
        .unwrap();
    let hour = Duration::from_secs(3600);
    assert!(
        tenancy
            .discard_old_generations(&id(), hour)
            .unwrap()
            .generations
            .is_empty()
    );
    let discarded = tenancy.discard_old_generations(&id(), Duration::ZERO);
    assert_eq!(discarded.unwrap().generations, [1]);
    assert!(tenancy.old_generations(&id()).unwrap().is_empty());
    let error = tenancy.undo(&id(), "TH001").unwrap_err();
    assert!(
        matches!(error, RestoreError::NothingToUndo { .. }),
        "{error}"
    );
    world::check(&fleet.root);
}

/// A hold keeps what was kept, whatever its age.
#[test]
fn what_was_kept_of_a_tenant_on_hold_stays() {
    let (fleet, tenant, backup) = backed_up();
    let tenancy = &fleet.tenancy;
    tenancy
        .restore(&id(), &BackupRef::from(&backup), &confirmed())
        .unwrap();
    tenancy.hold(&id(), "a case").unwrap();
    let error = tenancy.discard_old_generations(&id(), Duration::ZERO);
    assert!(
        matches!(error, Err(RestoreError::OnHold { .. })),
        "{error:?}"
    );
    assert!(fleet.file(&tenant, 1).exists());
    tenancy.release_hold(&id()).unwrap();
    let discarded = tenancy.discard_old_generations(&id(), Duration::ZERO);
    assert_eq!(discarded.unwrap().generations, [1]);
}

/// A backup outlives a purge that was not told to remove it, and is of somebody who is not to come back.
#[test]
fn a_backup_of_a_purged_tenant_becomes_no_tenant() {
    let (fleet, tenant, backup) = backed_up();
    drop(tenant);
    app::delete_at_once(&fleet.tenancy, &id());
    fleet.tenancy.purge(&id(), "TH001").unwrap();
    for copy in ["TH001", "TH002"] {
        let new = NewTenant::named("x").reuse_retired_id();
        let (copy, options) = (copy.parse().unwrap(), CloneOptions::new());
        let backup = BackupRef::path(&backup.path);
        let error = fleet
            .tenancy
            .clone_from_backup(&backup, &copy, new, &options)
            .map(drop);
        assert!(
            matches!(error, Err(RestoreError::Purged { .. })),
            "{error:?}"
        );
    }
    assert!(fleet.tenancy.tenants().unwrap().is_empty());
    world::check(&fleet.root);
}

/// One that was replaced in the future, as after a clock was set back, is not old.
#[test]
fn what_was_kept_has_no_age_before_its_time() {
    let (fleet, _tenant, backup) = backed_up();
    let tenancy = &fleet.tenancy;
    tenancy
        .restore(&id(), &BackupRef::from(&backup), &confirmed())
        .unwrap();
    let mut shared = tenancy.shared().unwrap();
    let later = "UPDATE __tenants_generations SET replaced_at = replaced_at + 86400000";
    let done = shared.unrouted("test", |raw| raw.connection().batch_execute(later));
    done.unwrap();
    drop(shared);
    let discard = |hours: u64| {
        tenancy
            .discard_old_generations(&id(), Duration::from_secs(hours * 3600))
            .unwrap()
            .generations
    };
    assert!(discard(1).is_empty());
    assert_eq!(discard(0), [1]);
}

/// What is in the place of a kept generation and is not that one is not undone to, and stays where it is.
#[test]
fn what_is_not_the_kept_generation_is_not_undone_to() {
    let (fleet, tenant, backup) = backed_up();
    let other = fleet.create("TH002");
    admit(&mut other.enter().unwrap(), "another's").unwrap();
    fleet.tenancy.suspend(&other.id()).unwrap();
    let tenancy = &fleet.tenancy;
    tenancy
        .restore(&id(), &BackupRef::from(&backup), &confirmed())
        .unwrap();
    let kept = fleet.file(&tenant, 1);
    let whole = fs::read(&kept).unwrap();
    let others = fs::read(fleet.file(&other, 1)).unwrap();
    let mut garbage = whole.clone();
    garbage[4096..].fill(0xAA);
    for (bytes, reason) in [
        (&others[..], "really that of tenant `TH002`"),
        (&garbage[..], "damaged"),
        (&whole[..whole.len() / 2], "damaged"),
        (&b""[..], "empty"),
    ] {
        fs::write(&kept, bytes).unwrap();
        let error = tenancy.undo(&id(), "TH001").unwrap_err();
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        assert!(
            text.contains(reason) || text.contains("malformed"),
            "{reason}: {text}"
        );
        assert!(
            fs::read(&kept).unwrap() == bytes,
            "{reason}: it was changed"
        );
        let record = tenant.record().unwrap();
        assert_eq!((record.status, record.generation), (Status::Active, 2));
        assert_eq!(world::rows(tenancy), ["before"]);
    }
    fs::write(&kept, &whole).unwrap();
    tenancy.undo(&id(), "TH001").unwrap();
    world::check(&fleet.root);
}

/// What cannot be backed up is not replaced, unless that is asked for.
#[test]
fn without_a_safety_backup_nothing_is_restored() {
    let (fleet, tenant, backup) = backed_up();
    admit(&mut tenant.enter().unwrap(), "after").unwrap();
    let backups = fleet.root.join("backups");
    let aside = fleet.root.with_file_name("aside");
    fs::rename(&backups, &aside).unwrap();
    fs::write(&backups, "in the way").unwrap();
    let carried = BackupRef::path(aside.join(backup.path.file_name().unwrap()));
    let error = fleet.tenancy.restore(&id(), &carried, &confirmed());
    assert!(
        matches!(error, Err(RestoreError::NoSafetyBackup(_))),
        "{error:?}"
    );
    assert_eq!(world::rows(&fleet.tenancy), ["before", "after"]);
    assert_eq!(tenant.record().unwrap().generation, 1);
    let options = confirmed().without_safety_backup();
    fleet.tenancy.restore(&id(), &carried, &options).unwrap();
    assert_eq!(world::rows(&fleet.tenancy), ["before"]);
}

/// An operator put another tenant's database into the place of an old generation: it may be the only one there is.
#[test]
fn another_tenants_database_is_not_discarded() {
    let (fleet, tenant, backup) = backed_up();
    let other = fleet.create("TH002");
    fleet
        .tenancy
        .restore(&id(), &BackupRef::from(&backup), &confirmed())
        .unwrap();
    let (kept, others) = (fleet.file(&tenant, 1), fleet.file(&other, 1));
    fs::remove_file(&kept).unwrap();
    fs::rename(&others, &kept).unwrap();
    let error = fleet
        .tenancy
        .discard_old_generations(&id(), Duration::ZERO)
        .unwrap_err();
    assert!(
        error.to_string().contains("really that of tenant `TH002`"),
        "{error}"
    );
    assert!(kept.exists());
    fs::rename(&kept, &others).unwrap();
    other.enter().unwrap();
}

#[test]
fn suspended_and_archived_tenants_stay_so() {
    let (fleet, tenant, backup) = backed_up();
    let tenancy = &fleet.tenancy;
    for status in [Status::Suspended, Status::Archived] {
        match status {
            Status::Suspended => tenancy.suspend(&id()).unwrap(),
            _ => tenancy.archive(&id()).unwrap(),
        }
        tenancy
            .restore(&id(), &BackupRef::from(&backup), &confirmed())
            .unwrap();
        assert_eq!(tenant.record().unwrap().status, status);
        tenancy.backup(&id(), &BackupOptions::new()).unwrap();
        tenancy.undo(&id(), "TH001").unwrap();
        assert_eq!(tenant.record().unwrap().status, status);
    }
}

/// What cannot be opened cannot be fenced or backed up, and is what restoring is for.
#[test]
fn a_lost_database_is_restored_over() {
    for fault in ["missing", "empty", "garbage"] {
        let (fleet, tenant, backup) = backed_up();
        fleet.tenancy.suspend(&id()).unwrap();
        fleet.tenancy.resume(&id()).unwrap();
        let file = fleet.file(&tenant, 1);
        match fault {
            "missing" => fs::remove_file(&file).unwrap(),
            "empty" => fs::write(&file, "").unwrap(),
            _ => fs::write(&file, "x".repeat(4096)).unwrap(),
        }
        assert!(tenant.enter().is_err());
        let restored = fleet
            .tenancy
            .restore(&id(), &BackupRef::from(&backup), &confirmed())
            .unwrap();
        assert!(restored.safety.is_none(), "{fault}");
        let kept = (fault != "missing").then_some(1);
        assert_eq!(restored.kept, kept, "{fault}");
        assert_eq!(names(&mut tenant.enter().unwrap()), ["before"], "{fault}");
        world::check(&fleet.root);
    }
}

#[test]
fn an_older_backup_is_brought_to_this_programs_schema() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let older = || builder(&root).tenant_migrations(MigrationSet::new([app::wards()]));
    let tenancy = older().open().unwrap();
    let tenant = tenancy.create(&id(), NewTenant::named("x")).unwrap();
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    let backup = tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    drop((tenant, tenancy));

    let tenancy = builder(&root).open().unwrap();
    let backup = BackupRef::from(&backup);
    let restored = tenancy.restore(&id(), &backup, &confirmed()).unwrap();
    assert_eq!(restored.migrated.len(), 1);
    assert_eq!(world::rows(&tenancy), ["before"]);
    let as_it_was = confirmed().without_migrating();
    tenancy.restore(&id(), &backup, &as_it_was).unwrap();
    assert!(matches!(
        tenancy.tenant(&id()),
        Err(OpenError::Connect(ConnectError::Schema { .. }))
    ));
    tenancy.migrate_tenant(&id()).unwrap();
    assert_eq!(world::rows(&tenancy), ["before"]);
}

#[test]
fn a_backup_of_a_fenced_tenant_is_writable_when_restored() {
    let (fleet, tenant, _) = backed_up();
    // The safety backup is taken while the tenant is fenced.
    let first = fleet
        .tenancy
        .backups(&BackupFilter::all())
        .unwrap()
        .remove(0);
    let restored = fleet
        .tenancy
        .restore(&id(), &BackupRef::from(&first), &confirmed())
        .unwrap();
    let safety = BackupRef::from(&restored.safety.unwrap());
    fleet.tenancy.restore(&id(), &safety, &confirmed()).unwrap();
    admit(&mut tenant.enter().unwrap(), "writable").unwrap();
}

#[test]
fn a_clone_is_a_tenant_of_its_own() {
    let (fleet, tenant, backup) = backed_up();
    let (backup, new) = (BackupRef::from(&backup), || NewTenant::named("A copy"));
    let clone = fleet
        .tenancy
        .clone_from_backup(
            &backup,
            &"TH002".parse().unwrap(),
            new(),
            &CloneOptions::new(),
        )
        .unwrap();
    assert_eq!(names(&mut clone.enter().unwrap()), ["before"]);
    admit(&mut clone.enter().unwrap(), "only here").unwrap();
    assert_eq!(names(&mut tenant.enter().unwrap()), ["before"]);
    assert_ne!(clone.record().unwrap().uuid, tenant.record().unwrap().uuid);
    // Its backups are its own, too.
    let options = BackupOptions::new();
    let of_clone = fleet.tenancy.backup(&clone.id(), &options).unwrap();
    let error = fleet
        .tenancy
        .restore(&id(), &BackupRef::from(&of_clone), &confirmed())
        .unwrap_err();
    assert!(
        matches!(error, RestoreError::WrongTenantBackup { .. }),
        "{error}"
    );
    world::check(&fleet.root);
}

const OPERATIONS: [Operation; 4] = [
    Operation {
        part: "restore",
        before: |root| {
            crashes::with_rows(root);
            let tenancy = builder(root).open().unwrap();
            tenancy.backup(&id(), &BackupOptions::new()).unwrap();
            admit(&mut tenancy.tenant(&id()).unwrap(), "four").unwrap();
        },
        outcome: |tenancy| {
            let rows = world::rows(tenancy);
            let done = rows == ["one", "two", "three"];
            assert!(done || rows == ["one", "two", "three", "four"], "{rows:?}");
            // What is not in the one is in the other.
            if done {
                tenancy.undo(&id(), "TH001").unwrap();
                assert_eq!(world::rows(tenancy).len(), 4);
            }
            writable(tenancy);
            done
        },
    },
    Operation {
        part: "undo",
        before: |root| {
            (OPERATIONS[0].before)(root);
            play("restore", root);
        },
        outcome: |tenancy| {
            let rows = world::rows(tenancy);
            let done = rows == ["one", "two", "three", "four"];
            assert!(done || rows == ["one", "two", "three"], "{rows:?}");
            writable(tenancy);
            done
        },
    },
    Operation {
        part: "discard",
        before: |root| {
            (OPERATIONS[0].before)(root);
            play("restore", root);
        },
        outcome: |tenancy| tenancy.old_generations(&id()).unwrap().is_empty(),
    },
    Operation {
        part: "clone",
        before: OPERATIONS_BEFORE_CLONE,
        outcome: |tenancy| {
            assert_eq!(world::rows(tenancy).len(), 4);
            let second = "TH002".parse().unwrap();
            match tenancy.tenant(&second) {
                Ok(mut ctx) => {
                    assert_eq!(names(&mut ctx), ["one", "two", "three"]);
                    true
                }
                Err(OpenError::UnknownTenant { .. }) => {
                    tenancy.create(&second, NewTenant::named("x")).unwrap();
                    false
                }
                Err(error) => panic!("{error:?}"),
            }
        },
    },
];
const OPERATIONS_BEFORE_CLONE: fn(&Path) = |root| (OPERATIONS[0].before)(root);

fn writable(tenancy: &Tenancy) {
    let mut ctx = tenancy.tenant(&id()).unwrap();
    ctx.transaction(|ctx| admit(ctx, "writable")).unwrap();
}

#[test]
fn killed_at_any_system_call() {
    if crashes::strace_works() {
        crashes::RESTORE.expect(crashes::kill_at_system_calls(&OPERATIONS[0]));
    }
}

#[test]
fn failing_at_any_system_call() {
    if crashes::strace_works() {
        let failures = crashes::fail_at_system_calls("restore twice", &OPERATIONS[0]);
        assert!(failures >= 5, "{failures}: the sweep did not get far");
    }
}

#[cfg(feature = "failpoints")]
mod at_every_step {
    use super::*;
    use crashes::failpoints::every_step;

    #[test]
    fn restore() {
        every_step(&OPERATIONS[0], 20);
    }

    #[test]
    fn undo() {
        every_step(&OPERATIONS[1], 11);
    }

    #[test]
    fn discard() {
        every_step(&OPERATIONS[2], 3);
    }

    #[test]
    fn clone() {
        every_step(&OPERATIONS[3], 9);
    }
}

/// A process with a warm connection writes while another restores: what it was told is safe is in the generation that
/// was kept, and there again after an undo.
#[test]
fn no_acknowledged_row_of_another_process_is_lost_by_a_restore() {
    let (fleet, tenant, backup) = backed_up();
    let rounds = 20;
    for round in 0..rounds {
        let mut writer = Actor::spawn("write", &fleet.root);
        assert_eq!(writer.hear().unwrap(), "ready");
        let mut acknowledged = Vec::new();
        for _ in 0..5 + round {
            acknowledged.push(format!("row {}", writer.hear().unwrap()));
        }
        fleet
            .tenancy
            .restore(
                &id(),
                &BackupRef::from(&backup),
                &confirmed().without_safety_backup(),
            )
            .unwrap();
        loop {
            let said = writer.hear().unwrap();
            if said == "fenced TH001" {
                break;
            }
            said.parse::<u32>().expect(&said);
            acknowledged.push(format!("row {said}"));
        }
        assert_eq!(names(&mut tenant.enter().unwrap()), ["before"]);
        fleet.tenancy.undo(&id(), "TH001").unwrap();
        let mut wanted = vec!["before".to_owned()];
        wanted.append(&mut acknowledged);
        assert_eq!(names(&mut tenant.enter().unwrap()), wanted, "round {round}");
        // The next round begins with the backup again.
        fleet.tenancy.undo(&id(), "TH001").unwrap();
        fleet
            .tenancy
            .discard_old_generations(&id(), Duration::ZERO)
            .unwrap();
    }
    world::check(&fleet.root);
}
