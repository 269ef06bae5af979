//! How things are said and drawn: times, sizes, states.
use std::fmt;
use std::time::SystemTime;

use diesel_tenants::Status;
use diesel_tenants::verify::Health;
use time::OffsetDateTime;

/// A time on a page, in UTC.
#[derive(Clone, Copy)]
pub(crate) struct Moment(OffsetDateTime);

pub(crate) fn moment(time: SystemTime) -> Moment {
    Moment(OffsetDateTime::from(time))
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, time) = (self.0.date(), self.0.time());
        let (year, month, day) = date.to_calendar_date();
        let (hour, minute) = (time.hour(), time.minute());
        let month = u8::from(month);
        write!(f, "{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

/// Bytes in the largest unit that leaves a whole number before the point.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Shapes that differ without their colour; the words stand beside them.
pub(crate) const GOOD: &str = r#"<svg class="icon good" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="7"/><path d="M4.5 8.2l2.4 2.4 4.6-5"/></svg>"#;
pub(crate) const WARN: &str = r#"<svg class="icon warn" viewBox="0 0 16 16" aria-hidden="true"><path class="body" d="M8 1.2L15.2 14.5H.8z"/><path d="M8 6v4M8 11.8v1"/></svg>"#;
pub(crate) const BAD: &str = r#"<svg class="icon bad" viewBox="0 0 16 16" aria-hidden="true"><path class="body" d="M5 1h6l4 4v6l-4 4H5l-4-4V5z"/><path d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2"/></svg>"#;
pub(crate) const IDLE: &str = r#"<svg class="icon idle" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="7"/><path d="M6.2 5v6M9.8 5v6"/></svg>"#;
pub(crate) const BUSY: &str = r#"<svg class="icon busy" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="7"/><path d="M8 4v4.2l2.8 1.6"/></svg>"#;
pub(crate) const UNKNOWN: &str = r#"<svg class="icon unknown" viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="7"/><path d="M5 8h6"/></svg>"#;

/// How a tenant is, in a shape and a word.
#[derive(Clone, Copy)]
pub(crate) struct State {
    pub(crate) icon: &'static str,
    pub(crate) word: &'static str,
}

pub(crate) fn status(status: Status) -> State {
    let (icon, word) = match status {
        Status::Reserved => (IDLE, "Reserved"),
        Status::Provisioning => (BUSY, "Being made"),
        Status::Active => (GOOD, "Active"),
        Status::Suspended => (IDLE, "Suspended"),
        Status::Archived => (IDLE, "Archived"),
        Status::Restoring => (BUSY, "Being replaced"),
        Status::Deleting => (BUSY, "Being removed"),
        Status::Deleted => (UNKNOWN, "Deleted"),
        Status::Failed => (BAD, "Failed"),
        _ => (UNKNOWN, "Unknown"),
    };
    State { icon, word }
}

pub(crate) fn health(health: Option<Health>) -> State {
    let Some(health) = health else {
        let (icon, word) = (UNKNOWN, "Not verified");
        return State { icon, word };
    };
    let icon = match health {
        Health::Ready => GOOD,
        Health::Incomplete => WARN,
        _ => BAD,
    };
    let word = health_word(health);
    State { icon, word }
}

pub(crate) fn health_word(health: Health) -> &'static str {
    match health {
        Health::Ready => "Ready",
        Health::Incomplete => "Incomplete",
        Health::Unreachable => "Unreachable",
        Health::Foreign => "Another's",
        Health::Corrupt => "Corrupt",
        Health::Missing => "Missing",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn sizes_are_in_units_people_read() {
        for (given, said) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536 * 1024, "1.5 MiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(bytes(given), said);
        }
    }

    #[test]
    fn times_are_in_utc() {
        let time = UNIX_EPOCH + Duration::from_secs(951_782_399);
        assert_eq!(moment(time).to_string(), "2000-02-28 23:59 UTC");
    }
}
