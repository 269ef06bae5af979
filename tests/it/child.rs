//! Child processes that play a part until they are killed: this test binary, started again.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use diesel_tenants::backend::sqlite::files::{self, StageError};
use diesel_tenants::backend::sqlite::instance::Instance;
use diesel_tenants::backend::sqlite::lock::DirLock;
use diesel_tenants::backend::sqlite::root::Root;

const PART: &str = "DIESEL_TENANTS_TEST_PART";
const DIRECTORY: &str = "DIESEL_TENANTS_TEST_DIRECTORY";
/// The test runner writes to the same pipe, at times without ending its line.
const MARK: &str = "child says ";

/// A running child; killed when dropped.
pub(crate) struct Child {
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Starts a child in the given part. See [`play`].
    pub(crate) fn start(part: &str, directory: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        Self::run(
            command.args(["child::play", "--exact", "--nocapture"]),
            part,
            directory,
        )
    }

    /// Starts a child that can make no file larger than a few KiB, and is told so by an error, not by a signal.
    pub(crate) fn start_with_small_files(part: &str, directory: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", r#"trap '' XFSZ; ulimit -f 16; exec "$0" "$@""#]);
        command.arg(std::env::current_exe().unwrap());
        Self::run(
            command.args(["child::play", "--exact", "--nocapture"]),
            part,
            directory,
        )
    }

    fn run(command: &mut Command, part: &str, directory: &Path) -> Self {
        command.env(PART, part).env(DIRECTORY, directory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            input,
            output,
        }
    }

    /// Waits for what the child says next.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(
                self.output.read_line(&mut line).unwrap(),
                0,
                "the child is gone"
            );
            if let Some((_, said)) = line.trim_end().split_once(MARK) {
                return said.to_owned();
            }
        }
    }

    /// Sends a line to the child's input.
    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// `kill -9`, and waits until the child is gone.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(words: impl std::fmt::Display) {
    println!("{MARK}{words}");
}

/// What a child does. Run as an ordinary test, it has no part and ends at once.
#[test]
fn play() {
    let (Ok(part), Some(directory)) = (std::env::var(PART), std::env::var_os(DIRECTORY)) else {
        return;
    };
    let directory = Path::new(&directory);
    match part.as_str() {
        "hold" => {
            let (instance, _lock) = hold(directory);
            say(instance.id());
            // Until the parent dies, at the latest.
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        "hold and have a child" => {
            let (instance, _lock) = hold(directory);
            let mut cat = Command::new("cat").spawn().unwrap();
            say(instance.id());
            cat.wait().unwrap();
        }
        "clone" => {
            let (template, staging) = (directory.join("template"), directory.join("staging"));
            match files::clone_closed(&template, &staging) {
                Ok(()) => say("copied"),
                Err(error) => say(error),
            }
        }
        "work without descriptors" => {
            let (staging, path) = (directory.join("staging"), directory.join("g2.sqlite3"));
            // Enough for the test runner, and few enough to be spent quickly.
            let limit = rustix::process::Rlimit {
                current: Some(64),
                maximum: Some(64),
            };
            rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
            let hoard: Vec<_> =
                std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
            let created = files::create_directory(&directory.join("new"));
            let published = files::publish(&staging, &path);
            let removed = files::remove_database(&directory.join("g1.sqlite3"));
            drop(hoard);
            say(created.unwrap_err().is_out_of_descriptors());
            say(matches!(published, Err(StageError::Io(error)) if error.is_out_of_descriptors()));
            say(removed.unwrap_err().is_out_of_descriptors());
        }
        other => panic!("no such part: {other}"),
    }
}

fn hold(directory: &Path) -> (Instance, DirLock) {
    let root = Root::open(directory).unwrap();
    let instance = Instance::register(&root).unwrap();
    let lock = DirLock::lock(&root, "work", Duration::ZERO).unwrap();
    (instance, lock)
}
