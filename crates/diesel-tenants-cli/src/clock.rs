//! A clock that is not believed, and what is said of it.
use std::fmt;

use diesel_tenants::ClockJump;
use serde::Serialize;

use crate::show;

/// The clock is more than a week ahead of what the shared database last saw.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Jump {
    /// RFC 3339, UTC.
    last_seen: String,
    /// What the clock says; RFC 3339, UTC.
    now: String,
}

impl From<ClockJump> for Jump {
    fn from(jump: ClockJump) -> Self {
        Self {
            last_seen: show::iso(jump.last_seen),
            now: show::iso(jump.now),
        }
    }
}

impl fmt::Display for Jump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { last_seen, now } = self;
        write!(
            f,
            "the clock says {now}, the shared database last saw {last_seen}, and that far ahead it is not believed"
        )
    }
}

impl Jump {
    /// Says what was kept because of it, if anything was, and what to do.
    pub(crate) fn write(
        jump: Option<&Self>,
        kept: &[String],
        f: &mut dyn fmt::Write,
    ) -> fmt::Result {
        match jump {
            Some(jump) if !kept.is_empty() => writeln!(
                f,
                "kept, although old enough by the clock: {}; {jump}: look at it, then add `--i-checked-the-clock`",
                kept.join(", ")
            ),
            _ => Ok(()),
        }
    }
}
