//! Named crash points, for tests that kill the process in the middle of an operation.
//!
//! Every step boundary of an operation calls [`hit`] with the step's name. Without the cargo feature `failpoints` that
//! is an empty function. With it, the environment variable `DIESEL_TENANTS_FAILPOINT`, read once per process, says
//! what happens at one of them:
//!
//! | value | effect |
//! |---|---|
//! | `name=kill` | SIGKILL to the own process, so that no destructor runs and nothing is flushed |
//! | `name=panic` | a panic |
//! | `name=pause:path` | creates `path.reached`, then waits until `path` exists |
//! | `name:3=kill` | the same at the third hit of that name; works with all three |
//! | `trace:path` | appends the name of every hit to `path`, one a line, so that a test can list the points |
//!
//! A value that cannot be read is a panic at the first hit: a test with a typing error must not pass.

/// Marks a step boundary. Does nothing unless the feature `failpoints` is on and the environment names this point.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &'static str) {}

/// Marks a step boundary. Does nothing unless the feature `failpoints` is on and the environment names this point.
///
/// # Panics
/// When the environment asks for it, or when its value cannot be read.
#[cfg(feature = "failpoints")]
pub fn hit(name: &'static str) {
    armed::hit(name);
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::ffi::OsString;
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    const VARIABLE: &str = "DIESEL_TENANTS_FAILPOINT";

    static PLAN: LazyLock<Option<Plan>> = LazyLock::new(|| {
        let value = std::env::var(VARIABLE).ok()?;
        Some(parse(&value).unwrap_or_else(|rule| panic!("{VARIABLE}={value}: {rule}")))
    });

    #[derive(Debug)]
    enum Plan {
        Trace(PathBuf),
        Act {
            name: String,
            /// Hits left until the action, this one included.
            left: AtomicU64,
            action: Action,
        },
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Action {
        Kill,
        Panic,
        Pause(PathBuf),
    }

    fn parse(value: &str) -> Result<Plan, &'static str> {
        const FORM: &str = "not `name[:count]=kill|panic|pause:path` or `trace:path`";

        if let Some(path) = value.strip_prefix("trace:") {
            return Ok(Plan::Trace(path.into()));
        }
        let (point, action) = value.split_once('=').ok_or(FORM)?;
        let (name, count) = match point.split_once(':') {
            Some((name, count)) => (name, count.parse().map_err(|_| FORM)?),
            None => (point, 1),
        };
        if name.is_empty() || count == 0 {
            return Err(FORM);
        }
        let action = match action {
            "kill" => Action::Kill,
            "panic" => Action::Panic,
            pause => Action::Pause(pause.strip_prefix("pause:").ok_or(FORM)?.into()),
        };
        Ok(Plan::Act {
            name: name.to_owned(),
            left: AtomicU64::new(count),
            action,
        })
    }

    pub(super) fn hit(here: &'static str) {
        match &*PLAN {
            Some(Plan::Trace(path)) => trace(path, here),
            Some(Plan::Act { name, left, action }) if name == here && is_due(left) => {
                act(here, action);
            }
            _ => {}
        }
    }

    fn is_due(left: &AtomicU64) -> bool {
        // Past zero it wraps to 2^64 - 1 and never comes back.
        left.fetch_sub(1, Ordering::Relaxed) == 1
    }

    fn trace(path: &Path, here: &str) {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            // One write, so that lines of several threads and processes do not mix.
            .and_then(|mut file| file.write_all(format!("{here}\n").as_bytes()))
            .unwrap_or_else(|e| panic!("cannot trace failpoints to {}: {e}", path.display()));
    }

    fn act(here: &str, action: &Action) {
        match action {
            Action::Kill => {
                use rustix::process::{Signal, getpid, kill_process};
                kill_process(getpid(), Signal::KILL).expect("a process may signal itself");
                // The signal is for the whole process: this thread must not go on in the meantime.
                loop {
                    std::thread::park();
                }
            }
            Action::Panic => panic!("failpoint `{here}`"),
            Action::Pause(path) => {
                let mut reached = OsString::from(path);
                reached.push(".reached");
                File::create(&reached).unwrap_or_else(|e| {
                    panic!("cannot create {}: {e}", Path::new(&reached).display())
                });
                while !path.exists() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        fn action(value: &str) -> (String, u64, Action) {
            match parse(value) {
                Ok(Plan::Act { name, left, action }) => (name, left.into_inner(), action),
                other => panic!("{value}: {other:?}"),
            }
        }

        #[test]
        fn every_form_is_understood() {
            assert_eq!(action("a.b=kill"), ("a.b".to_owned(), 1, Action::Kill));
            assert_eq!(action("a.b:3=panic"), ("a.b".to_owned(), 3, Action::Panic));
            assert_eq!(
                action("a.b=pause:/x:y=z"),
                ("a.b".to_owned(), 1, Action::Pause("/x:y=z".into()))
            );
            assert!(matches!(parse("trace:/x"), Ok(Plan::Trace(path)) if path == Path::new("/x")));
        }

        #[test]
        fn a_typing_error_is_refused() {
            for value in [
                "", "a", "a=", "a=stop", "a:0=kill", "a:x=kill", "=kill", "a=pause",
            ] {
                assert!(parse(value).is_err(), "{value:?} was taken");
            }
        }
    }
}
