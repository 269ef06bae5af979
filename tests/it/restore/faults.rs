//! Disks and systems that fail under backing up, restoring and what belongs to it: each operation fails whole, and is
//! done when it is asked for again.
use super::*;
use diesel_tenants::{BackupSetOptions, PurgeOptions, RecreateOptions};

use crate::actors::{command_under, told};
use crate::app::{delete_at_once, fleet_with};
use crate::backup::ONLY_THE_NEWEST;

fn newest(tenancy: &Tenancy) -> BackupRef {
    let backups = tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
    BackupRef::from(&backups[0])
}

/// Does an operation once. What an attempt before it has done already is not asked for again.
fn attempt(operation: &str, tenancy: &Tenancy) -> Result<(), String> {
    fn told<T, E: std::fmt::Debug>(result: Result<T, E>) -> Result<(), String> {
        result.map(drop).map_err(|error| format!("{error:?}"))
    }
    match operation {
        "backup" => told(tenancy.backup(&id(), &BackupOptions::new())),
        "restore" => told(tenancy.restore(&id(), &newest(tenancy), &confirmed())),
        "undo" => told(tenancy.undo(&id(), "TH001")),
        "clone" if tenancy.handle(&"TH002".parse().unwrap()).is_ok() => Ok(()),
        "clone" => told(clone_to(tenancy, "TH002")),
        "drill" => told(tenancy.drill(&newest(tenancy))),
        "discard" => told(tenancy.discard_old_generations(&id(), Duration::ZERO)),
        "set" => {
            let set = tenancy.backup_all(&BackupSetOptions::new().workers(1), |_| {});
            match set {
                Ok(set) if !set.is_complete() => Err(format!("{set:?}")),
                set => told(set),
            }
        }
        "prune" => match tenancy.prune_backups(&ONLY_THE_NEWEST, false) {
            Ok(report) if !report.failed.is_empty() => Err(format!("{report:?}")),
            report => told(report),
        },
        "remove" => match tenancy.backups(&BackupFilter::tenant(&id())).unwrap() {
            backups if backups.len() < 2 => Ok(()),
            backups => told(tenancy.remove_backup(backups[0].id)),
        },
        "recreate" => {
            let options = RecreateOptions::default();
            told(tenancy.recreate_with(&id(), "TH001", &options))
        }
        // One that was cut short was finished since.
        "purge" if tenancy.handle(&id()).is_err() => Ok(()),
        "purge" => told(tenancy.purge_with(&id(), "TH001", &PurgeOptions::default())),
        other => panic!("no such operation: {other}"),
    }
}

fn clone_to(tenancy: &Tenancy, copy: &str) -> Result<TenantHandle, RestoreError> {
    let (copy, new) = (copy.parse().unwrap(), NewTenant::named("A copy"));
    tenancy.clone_from_backup(&newest(tenancy), &copy, new, &CloneOptions::new())
}

/// TH001 with two sets of backups, a kept generation, and rows that are in no backup.
pub(super) fn prepared(root: &Path) {
    crashes::with_rows(root);
    let tenancy = builder(root).open().unwrap();
    for _ in 0..2 {
        attempt("set", &tenancy).unwrap();
    }
    admit(&mut tenancy.tenant(&id()).unwrap(), "four").unwrap();
    let options = confirmed().without_safety_backup();
    tenancy.restore(&id(), &newest(&tenancy), &options).unwrap();
}

pub(super) fn to_be_purged(root: &Path) {
    prepared(root);
    delete_at_once(&builder(root).open().unwrap(), &id());
}

fn before(operation: &str) -> fn(&Path) {
    match operation {
        "purge" => to_be_purged,
        _ => prepared,
    }
}

/// The parts of child processes in these tests: how it fails, and the operation.
pub(super) fn play(part: &str, root: &Path) -> bool {
    let Some((way, operation)) = part.split_once(": ") else {
        return false;
    };
    match way {
        "once" => {
            let tenancy = builder(root).open().unwrap();
            attempt(operation, &tenancy).unwrap();
            say("done");
        }
        "fail" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let first = attempt(operation, &tenancy);
            say(first.as_ref().err().map_or("succeeded", |error| error));
            told();
            tenancy.recover().unwrap();
            let second = attempt(operation, &tenancy);
            say(second.as_ref().err().map_or("done", |error| error));
        }
        // Ever more descriptors are left to it, beginning with none.
        "starve" => {
            let tenancy = builder(root).open().unwrap();
            let spare = crashes::starve(&tenancy, || attempt(operation, &tenancy).is_ok());
            say(spare.map_or("never".to_owned(), |spare| spare.to_string()));
        }
        // In a mount namespace of its own, what it would write to becomes read-only under it.
        "read-only" => {
            let tenancy = builder(root).open().unwrap();
            let directory = match operation {
                "backup" | "set" | "drill" | "prune" | "remove" => root.join("backups"),
                _ => root.join("tenants"),
            };
            let mount = |options: &[&str]| {
                let mut command = std::process::Command::new("mount");
                let done = command.args(options).arg(&directory).status();
                assert!(done.unwrap().success());
            };
            mount(&["--bind", directory.to_str().unwrap()]);
            mount(&["-o", "remount,bind,ro"]);
            let first = attempt(operation, &tenancy);
            say(first.err().unwrap_or("succeeded".to_owned()));
            mount(&["-o", "remount,bind,rw"]);
            tenancy.recover().unwrap();
            attempt(operation, &tenancy).unwrap();
            say("done");
        }
        // Does it when told; of two at once each is done, or says that another one is under way.
        "race" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            let mut round = 0;
            while told() == "go" {
                round += 1;
                let done = match operation {
                    "clone" => clone_to(&tenancy, &format!("COPY{round}"))
                        .map(drop)
                        .map_err(|error| format!("{error:?}")),
                    operation => attempt(operation, &tenancy),
                };
                let lost = ["InProgress", "Operation", "AlreadyExists"];
                say(match done {
                    Ok(()) => "won".to_owned(),
                    Err(error) if lost.iter().any(|word| error.contains(word)) => "lost".to_owned(),
                    Err(error) => error,
                });
            }
        }
        "lock" => {
            let tenancy = builder(root).open().unwrap();
            let mut ctx = tenancy.tenant(&id()).unwrap();
            let locked = ctx.unrouted("lock", |raw| {
                raw.connection().batch_execute("BEGIN IMMEDIATE")?;
                say("locked");
                told();
                raw.connection().batch_execute("ROLLBACK")
            });
            locked.unwrap();
            say("unlocked");
        }
        _ => return false,
    }
    true
}

fn any(_: &Tenancy) -> bool {
    true
}

/// A full disk, and one that fails, at each call that changes it.
#[test]
fn a_full_or_failing_disk() {
    if !crashes::strace_works() {
        return;
    }
    let parts = [
        "fail: undo",
        "fail: clone",
        "fail: drill",
        "fail: prune",
        "fail: set",
        "fail: remove",
        "fail: discard",
        "fail: recreate",
    ];
    for part in parts {
        let operation = Operation {
            part,
            before: prepared,
            outcome: any,
        };
        let failures = crashes::fail_at_system_calls(part, &operation);
        assert!(failures >= 1, "{part}: the sweep did not get far");
    }
}

/// Killed at each call that changes what is on disk. Which states there may be is looked at where each is killed at every
/// step; here that there is no other.
#[test]
fn killed_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    let others = ["set", "prune", "remove", "drill"].map(|operation| format!("once: {operation}"));
    let others = others.iter().map(|part| Operation {
        part: part.clone().leak(),
        before: prepared,
        outcome: any,
    });
    let kills: usize = others
        .chain(OPERATIONS.into_iter().skip(1))
        .map(|operation| crashes::kill_at_few_system_calls(&operation))
        .sum();
    assert!(kills >= 20, "{kills}: the sweep did not get far");
}

#[test]
fn without_descriptors() {
    // Pruning is not among them: it holds what it cannot look at, and so succeeds.
    let operations = [
        "restore", "undo", "clone", "discard", "recreate", "purge", "drill", "set", "remove",
    ];
    for operation in operations {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        before(operation)(&root);
        let mut child = Actor::spawn(&format!("starve: {operation}"), &root);
        let spare: usize = child.hear().expect(operation).parse().unwrap();
        println!("{operation} needs {spare} descriptors");
        assert!(spare >= 1, "{operation} never failed");
        assert!(child.wait().success());
        world::check(&root);
    }
}

/// Another tenant's database in the place of a kept generation is not removed because it could not be looked into.
#[test]
fn without_descriptors_another_tenants_database_is_not_discarded() {
    let fleet = app::fleet();
    let tenant = fleet.create("TH001");
    let other = fleet.create("TH002");
    fleet.tenancy.compact(&other.id()).unwrap();
    attempt("backup", &fleet.tenancy).unwrap();
    attempt("restore", &fleet.tenancy).unwrap();
    let kept = fleet.file(&tenant, 1);
    fs::remove_file(&kept).unwrap();
    fs::copy(fleet.file(&other, 2), &kept).unwrap();
    let mut child = Actor::spawn("starve: discard", &fleet.root);
    assert_eq!(child.hear().as_deref(), Some("never"));
    assert!(child.wait().success());
    assert!(kept.exists());
    assert_eq!(fleet.tenancy.old_generations(&id()).unwrap().len(), 1);
}

#[test]
fn on_a_read_only_file_system() {
    let Some(unshare) = crashes::with_mounts() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    for operation in [
        "backup", "set", "drill", "prune", "remove", "restore", "undo", "clone", "discard",
        "recreate", "purge",
    ] {
        let root = dir.path().join(operation);
        before(operation)(&root);
        let part = format!("read-only: {operation}");
        let mut actor = Actor::from(command_under(unshare(), &part, &root));
        let said = actor.hear().expect(operation);
        assert_ne!(said, "succeeded", "{operation}");
        assert_eq!(actor.hear().as_deref(), Some("done"), "{operation}: {said}");
        assert!(actor.wait().success());
        world::check(&root);
    }
}

/// Another process is in the middle of a transaction and does not end it.
#[test]
fn while_another_process_has_it_locked() {
    let short = Duration::from_millis(200);
    let fleet = fleet_with(|builder| builder.busy_timeout(short).drain_timeout(short));
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    attempt("backup", &fleet.tenancy).unwrap();
    attempt("restore", &fleet.tenancy).unwrap();
    let generation = tenant.record().unwrap().generation;
    let mut locker = Actor::spawn("lock: it", &fleet.root);
    assert_eq!(locker.hear().as_deref(), Some("locked"));
    // A backup reads, and need not wait; what is out of use is nobody's to lock.
    attempt("backup", &fleet.tenancy).unwrap();
    attempt("clone", &fleet.tenancy).unwrap();
    attempt("drill", &fleet.tenancy).unwrap();
    for operation in ["restore", "undo", "recreate"] {
        let refused = attempt(operation, &fleet.tenancy);
        assert!(refused.is_err(), "{operation}");
        let record = tenant.record().unwrap();
        assert_eq!(record.status, Status::Active, "{operation}");
        assert_eq!(record.generation, generation, "{operation}");
        assert_eq!(world::rows(&fleet.tenancy), ["before"], "{operation}");
    }
    attempt("discard", &fleet.tenancy).unwrap();
    locker.tell("go on");
    assert_eq!(locker.hear().as_deref(), Some("unlocked"));
    drop(locker);
    attempt("restore", &fleet.tenancy).unwrap();
    writable(&fleet.tenancy);
    world::check(&fleet.root);
}

/// A process that has a context open learns of the purge from the database, and not by writing into a file that is gone.
#[test]
fn a_writer_is_refused_before_its_tenant_is_purged() {
    let fleet = app::fleet();
    fleet.create("TH001");
    let mut writer = Actor::spawn("write", &fleet.root);
    assert_eq!(writer.hear().unwrap(), "ready");
    for _ in 0..5 {
        writer.hear().unwrap();
    }
    delete_at_once(&fleet.tenancy, &id());
    attempt("purge", &fleet.tenancy).unwrap();
    loop {
        let said = writer.hear().unwrap();
        if said == "fenced TH001" {
            break;
        }
        said.parse::<u32>().expect(&said);
    }
}

/// A purge removes nothing that somebody may still be writing to: it does not wait for ever either, and is done once it is
/// let go.
#[test]
fn a_purge_does_not_go_on_where_another_process_has_it_locked() {
    let short = Duration::from_millis(200);
    let fleet = fleet_with(|builder| builder.busy_timeout(short).drain_timeout(short));
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    let mut locker = Actor::spawn("lock: it", &fleet.root);
    assert_eq!(locker.hear().as_deref(), Some("locked"));
    delete_at_once(&fleet.tenancy, &id());
    let directory = fleet.file(&tenant, 1).parent().unwrap().to_owned();
    let error = attempt("purge", &fleet.tenancy).unwrap_err();
    assert!(error.contains("raising the fence"), "{error}");
    assert!(fleet.file(&tenant, 1).exists());
    locker.tell("go on");
    assert_eq!(locker.hear().as_deref(), Some("unlocked"));
    assert!(locker.wait().success());
    fleet.tenancy.recover().unwrap();
    assert!(!directory.exists());
    assert!(fleet.tenancy.undead().unwrap().is_empty());
    world::check(&fleet.root);
}

#[test]
fn by_two_processes_at_once() {
    for operation in ["backup", "restore", "undo", "recreate", "clone", "discard"] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        prepared(&root);
        // One after the other: this is not about opening.
        let mut two = [(); 2].map(|()| {
            let mut actor = Actor::spawn(&format!("race: {operation}"), &root);
            assert_eq!(actor.hear().as_deref(), Some("ready"));
            actor
        });
        for _ in 0..3 {
            two.iter_mut().for_each(|actor| actor.tell("go"));
            let said = two.each_mut().map(|actor| actor.hear().unwrap());
            assert!(
                said.iter().all(|word| word == "won" || word == "lost"),
                "{operation}: {said:?}"
            );
            let won = said.iter().filter(|word| *word == "won").count();
            assert!(won >= 1, "{operation}");
            // Two clones of one id would be two tenants.
            assert!(operation != "clone" || won == 1, "{said:?}");
        }
        two.iter_mut().for_each(|actor| actor.tell("enough"));
        assert!(two.iter_mut().all(|actor| actor.wait().success()));
        writable(&world::check(&root));
    }
}

#[test]
fn the_power_may_fail_at_any_moment() {
    if !crashes::strace_works() {
        return;
    }
    let whole = |part| Operation {
        part,
        before: prepared,
        outcome: any,
    };
    for operation in [
        &OPERATIONS[0],
        &OPERATIONS[1],
        &OPERATIONS[2],
        &OPERATIONS[3],
        &whole("once: set"),
        &whole("once: prune"),
    ] {
        let failures = crate::power::fail_power(operation);
        assert!(
            failures >= 4,
            "{}: the sweep did not get far",
            operation.part
        );
    }
}
