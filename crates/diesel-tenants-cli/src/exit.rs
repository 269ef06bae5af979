//! With what a command ends.
use std::process::ExitCode;

/// How a command ended, as the exit code says it. The numbers are kept from version to version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: it failed, for this tenant or for some of several.
    Failed,
    /// 2: the command line, or a value on it, is wrong. Nothing was done.
    Usage,
    /// 3: done, and what was looked at is not as it should be.
    Findings,
    /// 4: refused: not confirmed, or the state of the tenant does not allow it. Nothing was done.
    Refused,
    /// 5: something else is in the way for now. The same command may succeed a little later.
    Busy,
    /// 6: there is no such tenant, table or backup.
    NotFound,
}

impl Exit {
    /// The number the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Findings => 3,
            Self::Refused => 4,
            Self::Busy => 5,
            Self::NotFound => 6,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Shown below `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  it failed, for this tenant or for some of several
  2  the command line, or a value on it, is wrong; nothing was done
  3  done, and what was looked at is not as it should be (verify, doctor, migrations, …)
  4  refused: not confirmed, or the state of the tenant does not allow it; nothing was done
  5  busy: the same command may succeed a little later
  6  there is no such tenant, table or backup

The result is on stdout, everything else on stderr. With --json, stdout is one document, also
after an error: {\"schema\": \"error/1\", \"error\": {\"kind\", \"message\", \"causes\", \"hint\"}}.";
