//! Other processes: the test binary runs itself again, for one test that plays a part.
//!
//! A test that plays a part begins with [`part`] and returns at once where there is none, which is what happens when
//! the whole suite is run.
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

const PART: &str = "DIESEL_TENANTS_TEST_PART";
/// What the child says to its parent begins with this. It goes to stderr: stdout is the test harness's.
const SAYS: &str = "child says ";

/// In a child: what [`spawn`] was given.
pub(crate) fn part() -> Option<String> {
    std::env::var(PART).ok()
}

/// In a child: one line to the parent.
pub(crate) fn say(line: impl std::fmt::Display) {
    eprintln!("{SAYS}{line}");
}

/// In a child: the lines the parent sends, until it has no more.
pub(crate) fn heard() -> impl Iterator<Item = String> {
    std::io::stdin().lines().map_while(Result::ok)
}

/// Another process. It is killed when dropped, so that a failing test leaves none behind.
pub(crate) struct Process {
    child: Child,
    stderr: BufReader<ChildStderr>,
    other_output: String,
}

/// Runs the test `name` in another process. `failpoint` is empty for none.
pub(crate) fn spawn(name: &str, part: impl AsRef<Path>, failpoint: &str) -> Process {
    let mut child = Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(PART, part.as_ref())
        .env("RUST_BACKTRACE", "0")
        .env_remove("DIESEL_TENANTS_FAILPOINT")
        .envs((!failpoint.is_empty()).then_some(("DIESEL_TENANTS_FAILPOINT", failpoint)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test binary can be run again");
    let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    Process {
        child,
        stderr,
        other_output: String::new(),
    }
}

impl Process {
    /// Sends one line.
    pub(crate) fn tell(&mut self, line: impl std::fmt::Display) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        writeln!(stdin, "{line}").expect("the child reads");
    }

    /// Waits for the next line the child says.
    ///
    /// # Panics
    /// If the child ends instead.
    pub(crate) fn hear(&mut self) -> String {
        self.next_line()
            .unwrap_or_else(|| panic!("the child ended: {}", self.other_output))
    }

    /// Waits for the end, and returns what the child said until then.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<String>) {
        drop(self.child.stdin.take());
        let mut said = Vec::new();
        while let Some(line) = self.next_line() {
            said.push(line);
        }
        (self.child.wait().expect("it is our child"), said)
    }

    /// Waits until `condition` holds while the child goes on.
    ///
    /// # Panics
    /// If the child ends before.
    #[cfg(feature = "failpoints")]
    pub(crate) fn wait_until(&mut self, condition: impl Fn() -> bool) {
        while !condition() {
            let ended = self.child.try_wait().expect("it is our child");
            assert_eq!(ended, None, "the child ended: {}", self.hear());
            std::thread::yield_now();
        }
    }

    fn next_line(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self
                .stderr
                .read_line(&mut line)
                .expect("the child writes UTF-8")
                == 0
            {
                return None;
            }
            match line.strip_prefix(SAYS) {
                Some(said) => return Some(said.trim_end().to_owned()),
                None => self.other_output += &line,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
