//! Small charts as SVG, drawn on the server. They have no inline style, so the content security policy holds; what they
//! show stands beside them in words.
use diesel_tenants::{BackupRecord, PoolStats, Usage};

use crate::subscription::Limit;
use crate::view;

/// How much of a bar of `width` units `part` of `whole` is.
fn share(part: u64, whole: u64, width: f64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64).min(1.0) * width
}

/// The connections in use and idle, of the budget.
pub(crate) fn pool(stats: &PoolStats) -> String {
    let whole = stats.max_connections as u64;
    let (used, idle) = (stats.in_use as u64, stats.idle as u64);
    bar(
        &format!("{used} connections in use and {idle} idle of at most {whole}"),
        &[(used, "used"), (idle, "idle")],
        whole,
    )
}

/// What a database holds, what in it is free, and its quota if there is one.
pub(crate) fn size(usage: &Usage) -> String {
    let held = usage.bytes.saturating_sub(usage.free);
    let whole = usage.quota.unwrap_or(usage.bytes).max(usage.bytes);
    bar(
        &format!(
            "{} hold data and {} are free, of {}",
            view::bytes(held),
            view::bytes(usage.free),
            view::bytes(whole)
        ),
        &[(held, "used"), (usage.free, "idle")],
        whole,
    )
}

/// How much of a limit is used; nothing where there is none, or that is not known.
pub(crate) fn limit(limit: &Limit) -> Option<String> {
    let (used, most) = (limit.used?, limit.most?);
    let class = if used >= most { "full" } else { "used" };
    // What it is called is the application's word, and stands in the text beside it.
    Some(bar(&format!("{used} of {most}"), &[(used, class)], most))
}

fn bar(label: &str, parts: &[(u64, &str)], whole: u64) -> String {
    const WIDTH: f64 = 300.0;
    let mut x = 0.0;
    let mut drawn = String::new();
    for (part, class) in parts {
        let width = share(*part, whole, WIDTH).min(WIDTH - x);
        drawn +=
            &format!(r#"<rect class="{class}" x="{x:.1}" y="0" width="{width:.1}" height="14"/>"#);
        x += width;
    }
    format!(
        r#"<svg class="bar" viewBox="0 0 300 14" preserveAspectRatio="none" role="img" aria-label="{label}"><rect class="rest" x="0" y="0" width="300" height="14"/>{drawn}</svg>"#
    )
}

/// The sizes of the newest backups, oldest first.
pub(crate) fn backups(newest_first: &[BackupRecord]) -> String {
    const MOST: usize = 20;
    let shown: Vec<&BackupRecord> = newest_first.iter().take(MOST).rev().collect();
    let largest = shown.iter().map(|backup| backup.bytes).max().unwrap_or(0);
    let mut columns = String::new();
    for (n, backup) in shown.iter().enumerate() {
        let height = share(backup.bytes, largest, 56.0).max(1.0);
        let (x, y) = (n * 15, 60.0 - height);
        let title = format!(
            "{}, {}",
            view::moment(backup.taken_at),
            view::bytes(backup.bytes)
        );
        columns += &format!(
            r#"<rect class="used" x="{x}" y="{y:.1}" width="11" height="{height:.1}"><title>{title}</title></rect>"#
        );
    }
    let largest = view::bytes(largest);
    format!(
        r#"<svg class="columns" viewBox="0 0 300 60" role="img" aria-label="Sizes of the last {} backups, the largest {largest}">{columns}</svg>"#,
        shown.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_never_longer_than_the_whole() {
        assert_eq!(share(5, 10, 300.0), 150.0);
        assert_eq!(share(20, 10, 300.0), 300.0);
        assert_eq!(share(20, 0, 300.0), 0.0);
    }
}
