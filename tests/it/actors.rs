//! Other processes: this test binary, started again to play a part, and killed if need be.
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use diesel_tenants::error::{CreateError, LifecycleError, TenantFenced};
use diesel_tenants::prelude::*;

use crate::app::{admit, builder, names};

const PART: &str = "DIESEL_TENANTS_TEST_ACT";
const ROOT: &str = "DIESEL_TENANTS_TEST_ROOT";
/// The test runner writes to the same pipe, at times without ending its line.
const MARK: &str = "actor says ";

/// The parts that other modules of this binary play; each says whether the part is one of its own.
const PARTS: &[fn(&str, &Path) -> bool] = &[
    crate::access::play,
    crate::adopt::faults::play,
    crate::audit::play,
    crate::backup::play,
    #[cfg(all(feature = "metrics", feature = "query-stats", feature = "tracing"))]
    crate::canary::play,
    crate::damage::freelist::play,
    crate::export::play,
    crate::fanout::play,
    crate::final_backup::act,
    crate::fleet::play,
    crate::power::play,
    crate::purge::act,
    crate::quota::act,
    crate::recreate::act,
    crate::reference::play,
    crate::repair::play,
    crate::reserve::act,
    crate::restore::play,
    crate::services::play,
    crate::verify::ledger::play,
    crate::workflow::play,
];

/// A process that plays a part; killed when dropped.
pub(crate) struct Actor {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// The command that plays `part` on the data directory `root`, to be adjusted and spawned.
pub(crate) fn command(part: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    as_actor(&mut command, part, root);
    command
}

/// The same, run by another program: `strace …`.
pub(crate) fn command_under(mut runner: Command, part: &str, root: &Path) -> Command {
    runner.arg(std::env::current_exe().unwrap());
    as_actor(&mut runner, part, root);
    runner
}

fn as_actor(command: &mut Command, part: &str, root: &Path) {
    command
        .args(["actors::act", "--exact", "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .env(ROOT, root)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
}

impl Actor {
    pub(crate) fn spawn(part: &str, root: &Path) -> Self {
        Self::from(command(part, root))
    }

    pub(crate) fn from(mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            input,
            output,
        }
    }

    /// What it says next, or `None` when it is gone.
    pub(crate) fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some((_, said)) = line.trim_end().split_once(MARK) {
                return Some(said.to_owned());
            }
        }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    pub(crate) fn is_gone(&mut self) -> bool {
        self.process.try_wait().unwrap().is_some()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn say(words: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{MARK}{words}").unwrap();
    out.flush().unwrap();
}

pub(crate) fn told() -> String {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

/// Run as an ordinary test it has no part and ends at once.
#[test]
fn act() {
    let (Ok(part), Some(root)) = (std::env::var(PART), std::env::var_os(ROOT)) else {
        return;
    };
    let root = Path::new(&root);
    let id: TenantId = "TH001".parse().unwrap();
    let new = || NewTenant::named("Teaching Hospital").subdomain("th001");
    match part.as_str() {
        "init" => drop(builder(root).open().unwrap()),
        "create" => {
            let tenancy = builder(root).open().unwrap();
            let tenant = tenancy.create(&id, new()).unwrap();
            admit(&mut tenant.enter().unwrap(), "first").unwrap();
            say("created");
        }
        // Creates when told, each time the tenant that is named; says how it went.
        "create when told" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            loop {
                let id = told();
                if id.is_empty() {
                    return;
                }
                match tenancy.create(&id.parse().unwrap(), NewTenant::named("raced")) {
                    Ok(_) => say("won"),
                    Err(CreateError::AlreadyExists { .. } | CreateError::InProgress { .. }) => {
                        say("lost")
                    }
                    Err(other) => say(format!("{other:?}")),
                }
            }
        }
        "suspend when told" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            loop {
                let id = told();
                if id.is_empty() {
                    return;
                }
                match tenancy.suspend(&id.parse().unwrap()) {
                    Ok(()) => say("won"),
                    Err(LifecycleError::WrongStatus { .. }) => say("lost"),
                    Err(other) => say(format!("{other:?}")),
                }
            }
        }
        // Some system call of the first attempt may fail. It then fails whole, and the second one succeeds.
        "create twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let first = tenancy.create(&id, new());
            say(match &first {
                Ok(_) => "created".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            let tenant = tenancy.ensure(&id, new()).unwrap();
            admit(&mut tenant.enter().unwrap(), "first").unwrap();
            tenancy.suspend(&id).unwrap();
            tenancy.resume(&id).unwrap();
            say("done");
        }
        "compact twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let first = tenancy.compact(&id);
            say(match &first {
                Ok(_) => "compacted".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            // Whatever became of it, the tenant is in use and whole.
            let mut ctx = tenancy.tenant(&id).unwrap();
            assert_eq!(names(&mut ctx), ["one", "two", "three"]);
            admit(&mut ctx, "four").unwrap();
            drop(ctx);
            tenancy.compact(&id).unwrap();
            say("done");
        }
        "compact" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.compact(&id).unwrap();
            say("compacted");
        }
        "remove leftovers" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.remove_leftovers(&id).unwrap();
            say("removed");
        }
        "open" => {
            builder(root).open().unwrap();
            say("opened");
        }
        "many tenants" => crate::soak::many_tenants(root),
        "hold" => {
            let tenancy = builder(root).open().unwrap();
            let ctx = tenancy.tenant(&id).unwrap();
            say("holding");
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
            drop(ctx);
        }
        // Writes numbered rows on one context for as long as it may, and says each number that was acknowledged.
        "write" => {
            let tenancy = builder(root).open().unwrap();
            let mut ctx = tenancy.tenant(&id).unwrap();
            say("ready");
            // A fence that is missing must fail the test, not hang it.
            for number in 0..10_000 {
                match admit(&mut ctx, &format!("row {number}")) {
                    Ok(_) => say(number),
                    Err(error) => {
                        let fenced = TenantFenced::of(&error);
                        say(match fenced {
                            Some(fenced) => format!("fenced {}", fenced.tenant),
                            None => format!("{error:?}"),
                        });
                        // Reading goes on: it is the old database, as it was.
                        say(names(&mut ctx).len());
                        return;
                    }
                }
            }
            say("was never fenced");
        }
        other => assert!(
            PARTS.iter().any(|play| play(other, root)),
            "no such part: {other}"
        ),
    }
}
