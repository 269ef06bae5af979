//! How values are shown to people, and to programs.
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use console::{StyledObject, style};
use diesel_tenants::Status;
use indicatif::{BinaryBytes, HumanDuration};

/// For programs: RFC 3339, UTC, milliseconds.
pub(crate) fn iso(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

/// For people: `3 days ago`.
pub(crate) fn ago(at: SystemTime) -> String {
    const A_MOMENT: Duration = Duration::from_secs(60);
    match at.elapsed() {
        Ok(age) if age < A_MOMENT => "just now".to_owned(),
        Ok(age) => format!("{} ago", HumanDuration(age)),
        Err(ahead) => format!("in {}", HumanDuration(ahead.duration())),
    }
}

/// For people: `4.00 KiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// For people: a dash where there is nothing.
pub(crate) fn or_dash(value: Option<impl AsRef<str>>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.as_ref().to_owned())
}

/// For programs: a path as text. What is not UTF-8 in it is replaced.
pub(crate) fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(crate) fn status(status: Status) -> StyledObject<Status> {
    match status {
        Status::Active => style(status).green(),
        Status::Reserved | Status::Suspended | Status::Restoring | Status::Provisioning => {
            style(status).yellow()
        }
        Status::Archived => style(status).dim(),
        _ => style(status).red(),
    }
}

/// `1 tenant`, `2 tenants`.
pub(crate) fn count(n: usize, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// Commands to go on with.
pub(crate) fn next(f: &mut dyn fmt::Write, commands: &[String]) -> fmt::Result {
    if !commands.is_empty() {
        writeln!(f, "next:")?;
    }
    commands
        .iter()
        .try_for_each(|command| writeln!(f, "  {command}"))
}
