//! Killed at every step: what was begun is there wholly or not at all after the next open.
//!
//! Two families. *Failpoints* (feature `failpoints`): a child process runs the operation once and writes down the
//! points it passes, then is killed at each of them, and recovery is killed at each of its own. *System calls*: a
//! child is killed by `strace` at its n-th write, sync, rename or unlink, for n = 1, 2, 3 … until it gets through.
use std::path::Path;
use std::process::{Command, Stdio};

use diesel_tenants::prelude::*;

use crate::actors::{Actor, command, command_under};
use crate::app::{admit, builder};
use crate::world;

/// An operation that a child process does on TH001, and what must be so before it and after it.
pub(crate) struct Operation {
    pub(crate) part: &'static str,
    pub(crate) before: fn(&Path),
    /// What recovery made of it: `false` before, `true` after.
    pub(crate) outcome: fn(&Tenancy) -> bool,
}

/// Who opens the data directory again: the tests' usual program, or another one with other tables.
pub(crate) struct Program {
    /// The part that opens it and does nothing else.
    pub(crate) open: &'static str,
    /// Opens it and says what must always hold.
    pub(crate) check: fn(&Path) -> Tenancy,
}

const USUAL: Program = Program {
    open: "open",
    check: world::check,
};

pub(crate) const OPERATIONS: [Operation; 3] = [
    Operation {
        part: "init",
        before: |_| {},
        outcome: |tenancy| {
            assert!(tenancy.tenants().unwrap().is_empty());
            true
        },
    },
    Operation {
        part: "create",
        before: |root| drop(builder(root).open().unwrap()),
        outcome: |tenancy| match tenancy.tenants().unwrap().as_slice() {
            [] => {
                // Nothing is in the way of doing it again.
                let new = NewTenant::named("Teaching Hospital").subdomain("th001");
                tenancy.create(&"TH001".parse().unwrap(), new).unwrap();
                false
            }
            [_] => {
                let rows = world::rows(tenancy);
                assert!(rows.is_empty() || rows == ["first"]);
                true
            }
            more => panic!("{more:?}"),
        },
    },
    Operation {
        part: "compact",
        before: with_rows,
        outcome: |tenancy| {
            let generation = tenancy.tenants().unwrap()[0].generation;
            let tenant = tenancy.handle(&"TH001".parse().unwrap()).unwrap();
            let mut ctx = tenant.enter().unwrap();
            assert_eq!(crate::app::names(&mut ctx), ["one", "two", "three"]);
            ctx.transaction(|ctx| admit(ctx, "writable")).unwrap();
            generation > 1
        },
    },
];

/// An active tenant TH001 with three rows.
pub(crate) fn with_rows(root: &Path) {
    let tenancy = builder(root).open().unwrap();
    let new = NewTenant::named("Teaching Hospital");
    let tenant = tenancy.create(&"TH001".parse().unwrap(), new).unwrap();
    for name in ["one", "two", "three"] {
        admit(&mut tenant.enter().unwrap(), name).unwrap();
    }
}

/// Copies a data directory nobody has open.
pub(crate) fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status()
        .unwrap();
    assert!(done.success());
}

/// Runs a part to its end and says whether it was killed.
pub(crate) fn run(mut command: Command) -> bool {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = child.wait().unwrap();
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(9) => true,
        None if status.success() => false,
        // `strace` passes the death of its child on, as a signal or as 128 + 9.
        None if status.code() == Some(137) => true,
        _ => panic!("ended with {status}"),
    }
}

/// A process that has stopped in the middle of its part, and the file to be made for it to go on.
#[cfg(feature = "failpoints")]
pub(crate) fn paused(
    part: &str,
    root: &Path,
    point: &str,
    signals: &Path,
) -> (Actor, std::path::PathBuf) {
    let go_on = signals.join(format!("go on after {point}"));
    let mut command = command(part, root);
    let pause = format!("{point}=pause:{}", go_on.display());
    command.env("DIESEL_TENANTS_FAILPOINT", pause);
    let mut actor = Actor::from(command);
    let mut reached = go_on.clone().into_os_string();
    reached.push(".reached");
    while !Path::new(&reached).exists() {
        assert!(!actor.is_gone(), "{part} did not get to {point}");
        std::thread::yield_now();
    }
    (actor, go_on)
}

#[cfg(feature = "failpoints")]
pub(crate) mod failpoints {
    use super::*;
    use std::collections::HashMap;

    const FAILPOINT: &str = "DIESEL_TENANTS_FAILPOINT";

    /// The points an operation passes, each with its how-manieth time.
    fn points(part: &str, root: &Path) -> Vec<String> {
        let log = root.with_extension("trace");
        let _ = std::fs::remove_file(&log);
        let mut command = command(part, root);
        command.env(FAILPOINT, format!("trace:{}", log.display()));
        assert!(!run(command));
        let mut times: HashMap<String, u32> = HashMap::new();
        // An operation that passes no point writes nothing.
        let lines = std::fs::read_to_string(&log).unwrap_or_default();
        let lines = lines.lines().map(|name| {
            let time = times.entry(name.to_owned()).or_default();
            *time += 1;
            format!("{name}:{time}")
        });
        lines.collect()
    }

    fn killed_at(part: &str, root: &Path, point: &str) -> bool {
        let mut command = command(part, root);
        command.env(FAILPOINT, format!("{point}=kill"));
        run(command)
    }

    /// Of the points of recovery the ordinary run takes every third, others after each kill.
    fn some() -> usize {
        if step() == 1 { 1 } else { 3 }
    }

    /// Kills the operation at each point it passes, and recovery at its own. `at_least` points are expected.
    pub(crate) fn every_step(operation: &Operation, at_least: usize) {
        steps(operation, &USUAL, at_least, some());
    }

    /// The same for an operation of another program.
    pub(crate) fn every_step_of(program: &Program, operation: &Operation, at_least: usize) {
        steps(operation, program, at_least, some());
    }

    /// The same for an operation of many points of another program.
    pub(crate) fn many_steps_of(program: &Program, operation: &Operation, at_least: usize) {
        steps(operation, program, at_least, step());
    }

    /// The same for an operation of many points: of those of recovery the ordinary run takes every n-th, others each time.
    pub(crate) fn many_steps(operation: &Operation, at_least: usize) {
        steps(operation, &USUAL, at_least, step());
    }

    fn steps(operation: &Operation, program: &Program, at_least: usize, stride: usize) {
        let dir = crate::scratch::dir();
        let start = dir.path().join("start");
        (operation.before)(&start);
        let start_exists = start.exists();
        let fresh = |name: &str| {
            let root = dir.path().join(name);
            if start_exists {
                copy(&start, &root);
            }
            root
        };
        let points = points(operation.part, &fresh("dry-run"));
        assert!(points.len() >= at_least, "{points:?}");
        let mut outcomes = Vec::new();
        for (number, point) in points.iter().enumerate() {
            let root = fresh(&format!("killed-{number}"));
            assert!(
                killed_at(operation.part, &root, point),
                "{point} was not reached"
            );
            let left = dir.path().join(format!("left-{number}"));
            copy(&root, &left);
            let settled = (operation.outcome)(&(program.check)(&root));
            outcomes.push(settled);

            // Recovery is killed at each of its own steps, too.
            let recovering = dir.path().join(format!("recovering-{number}"));
            copy(&left, &recovering);
            let points = self::points(program.open, &recovering);
            let some = points.iter().enumerate().skip(number % stride);
            for (second, point) in some.step_by(stride) {
                let again = dir.path().join(format!("again-{number}-{second}"));
                copy(&left, &again);
                assert!(
                    killed_at(program.open, &again, point),
                    "{point} was not reached"
                );
                let outcome = (operation.outcome)(&(program.check)(&again));
                assert_eq!(outcome, settled, "killed at {point} in recovery");
                std::fs::remove_dir_all(&again).unwrap();
            }
            for used in [root, left, recovering] {
                std::fs::remove_dir_all(used).unwrap();
            }
        }
        // There is one commit point: once past it, always after.
        let sorted = outcomes.is_sorted();
        let each = points.iter().zip(&outcomes);
        assert!(sorted, "{:?}", each.collect::<Vec<_>>());
    }

    #[test]
    fn the_first_open_at_every_step() {
        every_step(&OPERATIONS[0], 5);
    }

    #[test]
    fn create_at_every_step() {
        every_step(&OPERATIONS[1], 8);
    }

    #[test]
    fn compact_at_every_step() {
        every_step(&OPERATIONS[2], 11);
    }
}

/// Whether a process may be traced here; containers often forbid it. Says so loudly where it may not.
pub(crate) fn strace_works() -> bool {
    let mut probe = Command::new("strace");
    probe.args(["-f", "-qq", "-e", "trace=none", "true"]);
    probe.stdout(Stdio::null()).stderr(Stdio::null());
    let works = probe.status().is_ok_and(|status| status.success());
    if !works {
        skip("no strace, or ptrace is forbidden");
    }
    works
}

/// Says loudly that a test is skipped. `.ci/run` installs what is missing and turns this into a failure.
pub(crate) fn skip(reason: &str) {
    assert!(
        std::env::var_os("DIESEL_TENANTS_NO_SKIP").is_none(),
        "{reason}"
    );
    loudly(&format!("SKIPPED: {reason}\n"));
}

/// Says it also where the test passes: the harness keeps what `eprintln!` says of a passing test to itself, and what is
/// written to the process's own standard error it does not.
fn loudly(line: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A runner in whose mount namespace file systems can be mounted, without being root. `None` where that is forbidden.
pub(crate) fn with_mounts() -> Option<impl Fn() -> Command> {
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.arg("-Urm");
        unshare
    };
    let dir = crate::scratch::dir();
    let mut probe = unshare();
    probe.args(["mount", "-t", "tmpfs", "none"]).arg(dir.path());
    let works = probe.output().is_ok_and(|done| done.status.success());
    if !works {
        skip("no file system may be mounted here");
    }
    works.then_some(unshare)
}

/// Leaves ever more descriptors to an attempt, beginning with none, until it succeeds. Returns how many that were; `None`
/// where it did not succeed with plenty either.
pub(crate) fn starve(tenancy: &Tenancy, attempt: impl Fn() -> bool) -> Option<usize> {
    let limit = rustix::process::Rlimit {
        current: Some(64),
        maximum: Some(64),
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    for spare in 0..24 {
        let mut hoard: Vec<_> =
            std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        hoard.truncate(hoard.len().saturating_sub(spare));
        let done = attempt();
        drop(hoard);
        tenancy.recover().unwrap();
        if done {
            return Some(spare);
        }
    }
    None
}

/// Every system call that changes what is on disk. The names of those a system lacks are marked optional.
const CALLS: [&str; 5] = [
    "pwrite64,write,copy_file_range",
    "fsync,fdatasync",
    "?renameat2,?rename,?linkat",
    "unlink,unlinkat",
    "ftruncate,openat",
];

/// Whether everything is wanted, however long it takes.
pub(crate) fn full() -> bool {
    std::env::var("DIESEL_TENANTS_SWEEP").is_ok_and(|sweep| sweep == "full")
}

/// Every n-th call in the ordinary run, all of them with `DIESEL_TENANTS_SWEEP=full`.
pub(crate) fn step() -> usize {
    if full() { 1 } else { 7 }
}

/// How many kills a sweep makes at least, in the ordinary run and in full. Last counted were 23, 49, 68 and 35 of those below,
/// and 143, 322, 465 and 223 in full; some depend on the machine.
pub(crate) struct Kills {
    ordinary: usize,
    full: usize,
}

const fn kills(ordinary: usize, full: usize) -> Kills {
    Kills { ordinary, full }
}

pub(crate) const BACKUP: Kills = kills(20, 108);
pub(crate) const RESTORE: Kills = kills(44, 219);
pub(crate) const MIGRATE: Kills = kills(60, 363);
pub(crate) const PURGE: Kills = kills(30, 173);

/// Those four are killed at five hundred places together.
const _: () = assert!(BACKUP.full + RESTORE.full + MIGRATE.full + PURGE.full >= 500);

impl Kills {
    /// Fails where a sweep ended before it got that far.
    pub(crate) fn expect(&self, made: usize) {
        let wanted = if full() { self.full } else { self.ordinary };
        assert!(
            made >= wanted,
            "{made} kills of {wanted}: the sweep did not get far"
        );
    }
}

/// Kills the operation at its n-th system call that changes what is on disk, for every n, and looks each time.
/// Returns how many kills that were.
pub(crate) fn kill_at_system_calls(operation: &Operation) -> usize {
    kill_at_system_calls_of(&USUAL, operation)
}

/// The same for an operation of another program.
pub(crate) fn kill_at_system_calls_of(program: &Program, operation: &Operation) -> usize {
    kill_at(operation.part, operation.before, step(), |root| {
        (operation.outcome)(&(program.check)(root));
    })
}

/// The same for one of many similar operations: fewer in the ordinary run.
pub(crate) fn kill_at_few_system_calls(operation: &Operation) -> usize {
    kill_at_few_system_calls_of(&USUAL, operation)
}

/// The same for an operation of another program.
pub(crate) fn kill_at_few_system_calls_of(program: &Program, operation: &Operation) -> usize {
    let few = 4 * step();
    let stride = if step() == 1 { 1 } else { few };
    kill_at(operation.part, operation.before, stride, |root| {
        (operation.outcome)(&(program.check)(root));
    })
}

/// The same where opening the library is not the first thing to do after a kill: `look` is given the data directory.
pub(crate) fn kill_and_look(part: &str, before: fn(&Path), look: impl Fn(&Path)) -> usize {
    kill_at(part, before, step(), look)
}

fn kill_at(part: &str, before: fn(&Path), stride: usize, look: impl Fn(&Path)) -> usize {
    let mut kills = 0;
    let dir = crate::scratch::dir();
    let start = dir.path().join("start");
    before(&start);
    for calls in CALLS {
        let mut n = 1;
        loop {
            let root = dir.path().join("killed");
            if start.exists() {
                copy(&start, &root);
            }
            let mut strace = Command::new("strace");
            let inject = format!("inject={calls}:signal=KILL:when={n}");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e"]);
            strace.args([&format!("trace={calls}"), "-e", &inject]);
            if !run(command_under(strace, part, &root)) {
                std::fs::remove_dir_all(&root).unwrap();
                break;
            }
            kills += 1;
            look(&root);
            std::fs::remove_dir_all(&root).unwrap();
            n += stride;
        }
    }
    println!("{part}: {kills} kills");
    kills
}

#[test]
fn killed_at_any_system_call() {
    if !strace_works() {
        return;
    }
    let kills: usize = OPERATIONS.iter().map(kill_at_system_calls).sum();
    assert!(kills >= 30, "{kills}: the sweep did not get far");
}

/// A process that is killed while it writes loses nothing it was told is safe.
#[test]
fn killed_at_random_a_writer_loses_no_acknowledged_row() {
    let dir = crate::scratch::dir();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    let id = "TH001".parse().unwrap();
    tenancy.create(&id, NewTenant::named("x")).unwrap();
    let mut acknowledged = 0;
    for round in 0..10 {
        let mut writer = Actor::spawn("write", &root);
        assert_eq!(writer.hear().unwrap(), "ready");
        for _ in 0..10 + round * 7 {
            writer.hear().unwrap();
            acknowledged += 1;
        }
        writer.kill();
        // It may have written more than we have heard of, never less.
        let rows = world::rows(&tenancy).len();
        assert!(rows >= acknowledged, "{rows} of {acknowledged}");
        acknowledged = rows;
    }
}

/// One system call of an operation fails, as on a full or failing disk: the operation fails whole, and the process
/// goes on.
#[test]
fn failing_at_any_system_call() {
    if !strace_works() {
        return;
    }
    let failures = fail_at_system_calls("create twice", &OPERATIONS[1])
        + fail_at_system_calls("compact twice", &OPERATIONS[2]);
    assert!(failures >= 10, "{failures}: the sweep did not get far");
}

/// Lets the n-th system call of the first attempt fail, for every n. `part` says `ready`, is told to go on, makes the
/// first attempt and says a word that ends in `ed` if it succeeded, is told to go on, and says `done` when the second
/// has succeeded. Returns how often the first attempt failed.
pub(crate) fn fail_at_system_calls(part: &str, operation: &Operation) -> usize {
    fail_and_look(part, operation.before, |root| drop(world::check(root)))
}

/// The same where opening the library is not the first thing to do afterwards: `look` is given the data directory.
pub(crate) fn fail_and_look(part: &str, before: fn(&Path), look: impl Fn(&Path)) -> usize {
    let mut failures = 0;
    let dir = crate::scratch::dir();
    let start = dir.path().join("start");
    before(&start);
    for (calls, error) in [
        ("pwrite64,write", "ENOSPC"),
        ("fsync,fdatasync", "EIO"),
        ("?renameat2,?rename", "EIO"),
        ("unlink,unlinkat", "EIO"),
        ("ftruncate", "EIO"),
    ] {
        let mut n = 1;
        loop {
            let root = dir.path().join("failed");
            copy(&start, &root);
            let mut strace = Command::new("strace");
            let inject = format!("inject={calls}:error={error}:when={n}");
            strace.args(["-f", "-qq", "-o"]).arg(dir.path().join("log"));
            strace.args(["-e", &format!("trace={calls}"), "-e", &inject]);
            let mut actor = Actor::from(command_under(strace, part, &root));
            let mut said = Vec::new();
            while let Some(word) = actor.hear() {
                said.push(word);
                if said.len() < 3 {
                    actor.tell("go on");
                }
            }
            drop(actor);
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap();
            let hit = log.contains("INJECTED");
            // A failure while it opens or in the second attempt ends the actor, and is nothing but a crash.
            let at_first = said.get(1).is_some_and(|word| !word.ends_with("ed"));
            if at_first || !hit {
                let last = said.last().map(String::as_str);
                assert_eq!(last, Some("done"), "{calls}:{error}:{n} {said:?}");
            }
            look(&root);
            std::fs::remove_dir_all(&root).unwrap();
            if !hit {
                break;
            }
            failures += usize::from(at_first);
            n += step();
        }
    }
    println!("{part}: {failures} failures");
    failures
}
