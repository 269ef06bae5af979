//! Reads that fail under backing up, restoring and deleting: the operation says so, and everything is as before it or
//! as after it. What migrating does then is in `fleet::faults`.
use std::process::Command;

use super::faults::{prepared, to_be_purged};
use super::*;
use crate::actors::command_under;

/// Its database as it is now, and that of its newest backup.
struct Files {
    tenant: PathBuf,
    backup: PathBuf,
}

fn files(root: &Path) -> Files {
    let tenancy = builder(root).open().unwrap();
    let tenant = tenancy.handle(&id()).unwrap();
    let record = tenant.record().unwrap();
    let uuid = record.uuid.simple().to_string();
    let directory = format!("{}-{}", record.id.folded(), &uuid[24..]);
    let file = format!("g{}.sqlite3", record.generation);
    let backups = tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
    Files {
        tenant: root.join("tenants").join(directory).join(file),
        backup: backups[0].path.join("db.sqlite3"),
    }
}

/// The `n`-th time that the first attempt reads the file by this call, it cannot: it says so, and everything is as
/// before. The second attempt does it.
fn unreadable(operation: &str, start: &Path, file: fn(&Files) -> &Path, call: &str, n: usize) {
    let what = format!("{operation}, {call} {n}");
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    crashes::copy(start, &root);
    let before = seen(&root);
    let files = files(&root);
    let log = dir.path().join("log");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o"]).arg(&log);
    strace.arg("-P").arg(file(&files));
    strace.args(["-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:error=EIO:when={n}")]);
    let part = format!("fail: {operation}");
    let mut actor = Actor::from(command_under(strace, &part, &root));
    assert_eq!(actor.hear().unwrap(), "ready");
    actor.tell("go on");
    let said = actor.hear().unwrap();
    let hit = fs::read_to_string(&log).unwrap();
    assert!(hit.contains("INJECTED"), "{what}: it was not read");
    let typed = TYPED.iter().any(|typed| said.contains(typed));
    assert!(typed, "{what}: {said}");
    // A deletion is journaled: it is gone on with, and not undone.
    if operation != "purge" {
        assert_eq!(seen(&root), before, "{what}: {said}");
    }
    actor.tell("go on");
    assert_eq!(actor.hear().as_deref(), Some("done"), "{what}: {said}");
    drop(actor);
    let after = seen(&root);
    assert_ne!(after, before, "{what}: {said}");
    assert_eq!(after.starts_with("[] "), operation == "purge", "{after}");
}

/// What SQLite says, what its check makes of a page that it cannot have, and what the system says.
const TYPED: [&str; 3] = [
    "\"disk I/O error\"",
    "Damaged { ",
    "source: Os { code: 5, kind: Uncategorized, message: \"Input/output error\" }",
];

/// Its state, its rows where it is in use, and the backups there are, each verified: nothing else is left lying about.
fn seen(root: &Path) -> String {
    let tenancy = world::check(root);
    let tenants = tenancy.tenants().unwrap();
    let state = tenants.iter().map(|it| (it.status, it.generation));
    let state: Vec<_> = state.collect();
    let rows = tenants.iter().any(|it| it.status == Status::Active);
    let rows = rows.then(|| world::rows(&tenancy));
    let backups = tenancy.backups(&BackupFilter::all()).unwrap();
    for backup in &backups {
        tenancy.verify_backup(&BackupRef::from(backup)).unwrap();
    }
    format!("{state:?} {rows:?} {}", backups.len())
}

#[test]
fn of_a_database_that_is_backed_up() {
    if !crashes::strace_works() {
        return;
    }
    let start = crate::scratch::dir();
    let start = start.path().join("start");
    prepared(&start);
    for n in [1, 3, 5] {
        unreadable("backup", &start, |files| &files.tenant, "pread64", n);
    }
}

#[test]
fn of_a_database_that_is_restored_and_of_the_backup() {
    if !crashes::strace_works() {
        return;
    }
    let start = crate::scratch::dir();
    let start = start.path().join("start");
    prepared(&start);
    for n in [1, 5] {
        unreadable("restore", &start, |files| &files.tenant, "pread64", n);
    }
    for (call, n) in [("read", 1), ("pread64", 1), ("pread64", 3)] {
        unreadable("restore", &start, |files| &files.backup, call, n);
    }
}

#[test]
fn of_a_database_that_is_deleted() {
    if !crashes::strace_works() {
        return;
    }
    let start = crate::scratch::dir();
    let start = start.path().join("start");
    to_be_purged(&start);
    for n in [1, 4, 8] {
        unreadable("purge", &start, |files| &files.tenant, "pread64", n);
    }
}
