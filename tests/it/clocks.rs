//! What a clock that is wrong takes away, and what it does not.
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel_tenants::audit::AuditPolicy;
use diesel_tenants::{BackupOptions, RetentionPolicy, prelude::*};

use crate::app::{Fleet, delete_at_once, fleet, fleet_with};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

/// Moves times of the catalogue by so many days.
fn move_by(fleet: &Fleet, table: &str, column: &str, days: i64) {
    let moved = format!("UPDATE {table} SET {column} = {column} + {days} * 86400000");
    let mut shared = fleet.tenancy.shared().unwrap();
    let done = shared.unrouted("time", |raw| raw.connection().batch_execute(&moved));
    done.unwrap();
}

const NONE: RetentionPolicy = RetentionPolicy {
    keep_last: 1,
    daily: 0,
    weekly: 0,
    monthly: 0,
    after_purge: None,
};

/// By a clock that says that a month has passed since anything was seen, old databases and the backups of tenants that are
/// gone were as old as they would be then, and removed. What is kept for that is told, until somebody has looked at the clock.
#[test]
fn a_clock_that_jumped_ahead_makes_nothing_older_than_a_week() {
    let fleet = fleet();
    fleet.create("TH001");
    fleet.tenancy.recreate(&id(), "TH001").unwrap();
    move_by(&fleet, "__tenants_generations", "replaced_at", -40);
    // A process that is there knows better how much time has passed: the others are new ones.
    let a_month_later = || {
        move_by(&fleet, "__tenants_catalog", "clock_seen", -30);
        fleet.again()
    };
    let tenancy = a_month_later();
    assert!(tenancy.clock_jump().unwrap().is_some());
    let discard = |age| tenancy.discard_old_generations(&id(), age).unwrap();
    let kept = discard(20 * DAY);
    assert_eq!((kept.generations, kept.held_by_clock), (vec![], vec![1]));
    let jump = kept.clock_jump.unwrap();
    assert!(jump.now.duration_since(jump.last_seen).unwrap() >= 29 * DAY);
    let young = discard(50 * DAY);
    assert_eq!(
        (young.generations, young.held_by_clock),
        (vec![], vec![]),
        "by no clock"
    );
    assert_eq!(discard(15 * DAY).generations, [1]);
    // Nothing that was done meanwhile has it believed.
    assert!(fleet.again().clock_jump().unwrap().is_some());
    tenancy.i_checked_the_clock().unwrap();
    assert_eq!(tenancy.clock_jump().unwrap(), None);
    assert_eq!(fleet.again().clock_jump().unwrap(), None);

    delete_at_once(&tenancy, &id());
    tenancy.purge(&id(), "TH001").unwrap();
    let gone = RetentionPolicy {
        after_purge: Some(Duration::ZERO),
        ..NONE
    };
    let prune = |tenancy: &Tenancy| {
        let report = tenancy.prune_backups(&gone, true).unwrap();
        let held = report.held_by_clock.len();
        assert!(held == 0 || report.clock_jump.is_some());
        assert_eq!(report.kept.len(), held);
        (report.removed.len(), held)
    };
    let tenancy = a_month_later();
    assert_eq!(prune(&tenancy), (0, 1));
    tenancy.i_checked_the_clock().unwrap();
    assert_eq!(prune(&tenancy), (1, 0), "the one that `recreate` took");
}

/// A service that does nothing but take backups, or let people in, changes no tenant. Its clock was not believed after a week.
#[test]
fn what_is_entered_into_the_audit_log_is_seen() {
    let fleet = fleet_with(|b| b.audit(AuditPolicy::All));
    fleet.create("TH001");
    type Act = fn(&Tenancy);
    let acts: [(&str, Act); 2] = [
        ("backup", |t| {
            t.backup(&id(), &BackupOptions::new()).unwrap();
        }),
        ("open", |t| {
            drop(t.tenant(&id()).unwrap());
            t.flush_audit().unwrap();
        }),
    ];
    for (what, act) in acts {
        let before = seen(&fleet);
        move_by(&fleet, "__tenants_catalog", "clock_seen", -6);
        act(&fleet.tenancy);
        assert!(seen(&fleet) >= before, "{what}");
    }
}

/// The newest time the catalogue has seen.
fn seen(fleet: &Fleet) -> i64 {
    use diesel::sql_types::BigInt;
    #[derive(diesel::QueryableByName)]
    struct Seen {
        #[diesel(sql_type = BigInt)]
        seen: i64,
    }
    let sql = diesel::sql_query("SELECT clock_seen AS seen FROM __tenants_catalog");
    let mut shared = fleet.tenancy.shared().unwrap();
    let found: Seen = shared
        .unrouted("time", |raw| {
            diesel::RunQueryDsl::get_result(sql, raw.connection())
        })
        .unwrap();
    found.seen
}

/// One backup says that it is of a time that is still to come. It is whole, and was the only one that was looked at: of what
/// was taken since the newest was gone, and an older one that could have been restored went for it.
#[test]
fn the_newest_that_is_not_of_the_future_is_looked_at_as_well() {
    use sha2::{Digest as _, Sha256};
    let fleet = fleet();
    let tenancy = &fleet.tenancy;
    fleet.create("TH001");
    let take = || tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let (ahead, older, newest) = (take(), take(), take());
    let year = 365 * DAY.as_millis();
    let taken = ahead
        .taken_at
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let taken = taken.as_millis();
    let file = ahead.path.join("manifest.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let (_, manifest) = text.split_once("\"manifest\":").unwrap();
    let manifest = manifest.trim_end().strip_suffix('}').unwrap();
    let moved = manifest.replace(
        &format!("\"taken_at\":{taken}"),
        &format!("\"taken_at\":{}", taken + year),
    );
    assert_ne!(moved, manifest);
    let digest = Sha256::digest(moved.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{{\"format\":1,\"sha256\":\"{digest}\",\"manifest\":{moved}}}\n");
    std::fs::write(&file, text).unwrap();
    let blob = ahead.id.simple();
    let sql =
        format!("UPDATE __tenants_backups SET taken_at = taken_at + {year} WHERE id = x'{blob}'");
    let mut shared = tenancy.shared().unwrap();
    let done = shared.unrouted("time", |raw| raw.connection().batch_execute(&sql));
    done.unwrap();
    drop(shared);
    tenancy.verify_backup(&(&ahead).into()).unwrap();
    std::fs::remove_dir_all(&newest.path).unwrap();
    let report = tenancy.prune_backups(&NONE, false).unwrap();
    assert_eq!(report.removed, []);
    let held: Vec<_> = report.held.iter().map(|(backup, _)| backup.id).collect();
    assert_eq!(held, [newest.id]);
    assert!(older.path.exists());
}
