//! Disks and systems that fail under backing up, restoring and what belongs to it: each operation fails whole, and is
//! done when it is asked for again.
use super::*;
use diesel_tenants::{BackupSetOptions, PurgeOptions, RecreateOptions, RetentionPolicy};

use crate::actors::{command_under, told};
use crate::app::{delete_at_once, fleet_with};

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
        "clone" => {
            let copy: TenantId = "TH002".parse().unwrap();
            if tenancy.handle(&copy).is_ok() {
                return Ok(());
            }
            let new = NewTenant::named("A copy");
            told(tenancy.clone_from_backup(&newest(tenancy), &copy, new, &CloneOptions::new()))
        }
        "drill" => told(tenancy.drill(&newest(tenancy))),
        "discard" => told(tenancy.discard_old_generations(&id(), Duration::ZERO)),
        "set" => {
            let set = tenancy.backup_all(&BackupSetOptions::new().workers(1), |_| {});
            match set {
                Ok(set) if !set.is_complete() => Err(format!("{set:?}")),
                set => told(set),
            }
        }
        "prune" => {
            let policy = RetentionPolicy {
                keep_last: 1,
                daily: 0,
                weekly: 0,
                monthly: 0,
            };
            match tenancy.prune_backups(&policy, false) {
                Ok(report) if !report.failed.is_empty() => Err(format!("{report:?}")),
                report => told(report),
            }
        }
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

/// TH001 with two sets of backups, a kept generation, and rows that are in no backup.
fn prepared(root: &Path) {
    crashes::with_rows(root);
    let tenancy = builder(root).open().unwrap();
    for _ in 0..2 {
        attempt("set", &tenancy).unwrap();
    }
    admit(&mut tenancy.tenant(&id()).unwrap(), "four").unwrap();
    let options = confirmed().without_safety_backup();
    tenancy.restore(&id(), &newest(&tenancy), &options).unwrap();
}

fn to_be_purged(root: &Path) {
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
            attempt(operation, &tenancy).unwrap();
            say("done");
        }
        // Ever more descriptors are left to it, beginning with none.
        "starve" => {
            let tenancy = builder(root).open().unwrap();
            let limit = rustix::process::Rlimit {
                current: Some(64),
                maximum: Some(64),
            };
            rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
            for spare in 0.. {
                let mut hoard: Vec<_> =
                    std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
                hoard.truncate(hoard.len().saturating_sub(spare));
                let done = attempt(operation, &tenancy);
                drop(hoard);
                tenancy.recover().unwrap();
                if done.is_ok() {
                    say(spare);
                    break;
                }
            }
        }
        // In a mount namespace of its own, what it would write to becomes read-only under it.
        "read-only" => {
            let tenancy = builder(root).open().unwrap();
            let directory = match operation {
                "backup" | "set" | "drill" | "prune" => root.join("backups"),
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
        // Restores when told; of two at once each is done, or says that another one is under way.
        "race" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            while told() == "go" {
                let done = attempt(operation, &tenancy);
                say(match done {
                    Ok(()) => "won".to_owned(),
                    Err(error) if error.contains("InProgress") || error.contains("Operation") => {
                        "lost".to_owned()
                    }
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

#[test]
fn without_descriptors() {
    for operation in ["restore", "undo", "clone", "recreate", "purge", "drill"] {
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

#[test]
fn on_a_read_only_file_system() {
    let unshare = || {
        let mut unshare = std::process::Command::new("unshare");
        unshare.arg("-Urm");
        unshare
    };
    let dir = tempfile::tempdir().unwrap();
    let mut probe = unshare();
    probe
        .args(["mount", "--bind"])
        .args([dir.path(), dir.path()]);
    if !probe.output().is_ok_and(|done| done.status.success()) {
        eprintln!("SKIPPED: no file system may be mounted here");
        return;
    }
    for operation in [
        "backup", "set", "drill", "prune", "restore", "undo", "clone", "recreate", "purge",
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
    let mut locker = Actor::spawn("lock: it", &fleet.root);
    assert_eq!(locker.hear().as_deref(), Some("locked"));
    // A backup reads, and need not wait.
    attempt("backup", &fleet.tenancy).unwrap();
    for operation in ["restore", "recreate"] {
        let refused = attempt(operation, &fleet.tenancy);
        assert!(refused.is_err(), "{operation}");
        let record = tenant.record().unwrap();
        assert_eq!((record.status, record.generation), (Status::Active, 1));
        assert_eq!(world::rows(&fleet.tenancy), ["before"], "{operation}");
    }
    locker.tell("go on");
    assert_eq!(locker.hear().as_deref(), Some("unlocked"));
    drop(locker);
    attempt("restore", &fleet.tenancy).unwrap();
    writable(&fleet.tenancy);
    world::check(&fleet.root);
}

#[test]
fn by_two_processes_at_once() {
    for operation in ["backup", "restore", "undo", "recreate"] {
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
            assert!(said.iter().any(|word| word == "won"), "{operation}");
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
