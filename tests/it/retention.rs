//! Deleting with a retention, taking it back, and legal holds.
use std::time::{Duration, SystemTime};

use diesel_tenants::error::{LifecycleError, PurgeError, RetentionError};
use diesel_tenants::{Retention, prelude::*};

use crate::app::{Fleet, admit, fleet, names};

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// A fleet with an archived tenant A1 that has a row.
fn archived() -> Fleet {
    let fleet = fleet();
    let tenant = fleet.create("A1");
    admit(&mut tenant.enter().unwrap(), "kept").unwrap();
    fleet.tenancy.suspend(&id("A1")).unwrap();
    fleet.tenancy.archive(&id("A1")).unwrap();
    fleet
}

fn delete_after(tenancy: &Tenancy) -> Option<SystemTime> {
    let tenants = tenancy.tenants().unwrap();
    tenants[0].delete_after
}

/// Brings A1 back into use and returns its rows.
fn rows(tenancy: &Tenancy) -> Vec<String> {
    tenancy.unarchive(&id("A1")).unwrap();
    tenancy.resume(&id("A1")).unwrap();
    names(&mut tenancy.tenant(&id("A1")).unwrap())
}

#[test]
fn a_deleted_tenant_is_kept_until_its_date() {
    let fleet = archived();
    let before = SystemTime::now();
    let date = fleet
        .tenancy
        .delete(&id("A1"), "A1", Retention::default())
        .unwrap();
    let days = |n: u64| Duration::from_secs(n * 24 * 60 * 60);
    // The catalogue counts milliseconds.
    assert!(date >= before + days(30) - Duration::from_millis(1));
    assert!(date <= SystemTime::now() + days(30));
    let record = fleet.again().tenants().unwrap()[0].clone();
    assert_eq!(
        (record.status, record.delete_after),
        (Status::Archived, Some(date))
    );
    let early = fleet.tenancy.purge(&id("A1"), "A1").unwrap_err();
    assert!(
        matches!(early, PurgeError::NotYet { delete_after, .. } if delete_after == date),
        "{early:?}"
    );
    let text = early.to_string();
    assert!(text.starts_with("tenant `A1` is kept until 20"), "{text}");
    assert!(fleet.tenancy.due().unwrap().is_empty());

    fleet.tenancy.undelete(&id("A1")).unwrap();
    let kept = fleet.tenancy.purge(&id("A1"), "A1").unwrap_err();
    assert_eq!(
        kept.to_string(),
        "tenant `A1` has no date from which on it may be purged; `delete` sets one"
    );
    assert_eq!(rows(&fleet.tenancy), ["kept"]);
}

#[test]
fn the_date_can_be_given() {
    let fleet = archived();
    let date = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let set = fleet
        .tenancy
        .delete(&id("A1"), "A1", Retention::until(date))
        .unwrap();
    assert_eq!((set, delete_after(&fleet.tenancy)), (date, Some(date)));
    // And again, for another one.
    let soon = fleet
        .tenancy
        .delete(&id("A1"), "A1", Retention::NONE)
        .unwrap();
    assert!(soon < date);
    assert_eq!(fleet.tenancy.due().unwrap().len(), 1);
}

/// `--retain-days 4294967295` was written down, and every command that printed the date panicked from then on.
#[test]
fn a_retention_that_nobody_lives_to_see_is_refused() {
    let fleet = archived();
    let delete = |retention| fleet.tenancy.delete(&id("A1"), "A1", retention);
    let centuries = SystemTime::now() + Retention::LONGEST + Duration::from_secs(60);
    for too_long in [
        Retention::days(u32::MAX),
        Retention::days(36_501),
        Retention::until(centuries),
    ] {
        let refused = delete(too_long).unwrap_err();
        assert!(
            matches!(refused, RetentionError::TooLong { .. }),
            "{refused}"
        );
        assert_eq!(delete_after(&fleet.tenancy), None);
    }
    delete(Retention::days(36_500)).unwrap();
}

/// The clock is behind what the catalogue has seen: a retention that began now would be over before its time.
#[test]
fn a_clock_that_was_set_back_shortens_no_retention() {
    use diesel::connection::SimpleConnection;
    let fleet = archived();
    let ahead = SystemTime::now() + Duration::from_secs(1000 * 24 * 60 * 60);
    let millis = ahead.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let sql = format!(
        "UPDATE __tenants_catalog SET clock_seen = {}",
        millis.as_millis()
    );
    let mut shared = fleet.tenancy.shared().unwrap();
    let seen = shared.unrouted("test", |raw| raw.connection().batch_execute(&sql));
    seen.unwrap();
    let date = fleet
        .tenancy
        .delete(&id("A1"), "A1", Retention::days(1))
        .unwrap();
    assert!(date > ahead);
}

#[test]
fn only_an_archived_tenant_is_deleted_and_only_by_its_id() {
    let fleet = fleet();
    fleet.create("TH001");
    let th001 = id("th001");
    let delete = |confirmation: &str| fleet.tenancy.delete(&th001, confirmation, Retention::NONE);
    let active = delete("TH001").unwrap_err();
    assert!(
        matches!(
            active,
            RetentionError::Lifecycle(LifecycleError::WrongStatus {
                status: Status::Active,
                ..
            })
        ),
        "{active:?}"
    );
    fleet.tenancy.suspend(&th001).unwrap();
    fleet.tenancy.archive(&th001).unwrap();
    for wrong in ["", "th001", "yes", "TH001 "] {
        let error = delete(wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            "deleting needs the tenant's id, `TH001`, typed exactly as confirmation"
        );
    }
    assert_eq!(delete_after(&fleet.tenancy), None);
    delete("TH001").unwrap();
}

/// It was due. Archived again, it must not be purged on a date that was meant for another time.
#[test]
fn who_brings_a_tenant_back_takes_its_deletion_back() {
    let fleet = archived();
    fleet
        .tenancy
        .delete(&id("A1"), "A1", Retention::NONE)
        .unwrap();
    fleet.tenancy.unarchive(&id("A1")).unwrap();
    fleet.tenancy.archive(&id("A1")).unwrap();
    let refused = fleet.tenancy.purge(&id("A1"), "A1").unwrap_err();
    assert!(
        matches!(refused, PurgeError::NotScheduled { .. }),
        "{refused:?}"
    );
    assert_eq!(rows(&fleet.tenancy), ["kept"]);
}

#[test]
fn a_legal_hold_stands_in_the_way_whatever_the_date() {
    let fleet = archived();
    let tenancy = &fleet.tenancy;
    tenancy.hold(&id("A1"), "court order 12/26").unwrap();
    tenancy.delete(&id("A1"), "A1", Retention::NONE).unwrap();
    let record = fleet.again().tenants().unwrap()[0].clone();
    assert_eq!(record.legal_hold.as_deref(), Some("court order 12/26"));
    assert!(tenancy.due().unwrap().is_empty());
    let held = tenancy.purge(&id("A1"), "A1").unwrap_err();
    assert_eq!(
        held.to_string(),
        "tenant `A1` is under a legal hold; nothing of it may be removed until `release_hold`"
    );
    // It ends by a word of its own, not by those that open the tenant again.
    tenancy.unarchive(&id("A1")).unwrap();
    tenancy.resume(&id("A1")).unwrap();
    assert!(tenancy.tenants().unwrap()[0].legal_hold.is_some());
    assert_eq!(names(&mut tenancy.tenant(&id("A1")).unwrap()), ["kept"]);

    crate::app::delete_at_once(tenancy, &id("A1"));
    tenancy.release_hold(&id("A1")).unwrap();
    tenancy.purge(&id("A1"), "A1").unwrap();
    let over = tenancy.hold(&id("A1"), "too late").unwrap_err();
    assert!(over.to_string().contains("is not known"), "{over}");
}

/// The hold that this process has not heard of yet is read at the commit point.
#[test]
fn a_hold_set_elsewhere_counts_at_once() {
    let fleet = crate::app::fleet_with(|b| b.freshness(Duration::from_secs(3600)));
    fleet.create("A1");
    crate::app::delete_at_once(&fleet.tenancy, &id("A1"));
    fleet.again().hold(&id("A1"), "elsewhere").unwrap();
    let held = fleet.tenancy.purge(&id("A1"), "A1").unwrap_err();
    assert!(matches!(held, PurgeError::OnHold { .. }), "{held:?}");
}

#[test]
fn the_reason_of_a_hold_can_be_read_by_people() {
    let fleet = archived();
    let too_long = "x".repeat(201);
    for reason in ["", " ", "a\nb", "a\0", "\u{202e}abc", too_long.as_str()] {
        let refused = fleet.tenancy.hold(&id("A1"), reason).unwrap_err();
        assert!(
            matches!(refused, RetentionError::HoldReason { .. }),
            "{refused:?}"
        );
    }
    assert_eq!(fleet.tenancy.tenants().unwrap()[0].legal_hold, None);
    let longest = "x".repeat(200);
    fleet.tenancy.hold(&id("A1"), &longest).unwrap();
}

/// It made the tenant suspended, and took its deletion back.
#[test]
fn suspending_an_archived_tenant_does_not_bring_it_back() {
    let fleet = archived();
    let tenancy = &fleet.tenancy;
    tenancy.delete(&id("A1"), "A1", Retention::NONE).unwrap();
    let refused = tenancy.suspend(&id("A1")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "tenant `A1` is archived and not in use; `unarchive` brings it back, and takes its deletion back"
    );
    let record = tenancy.tenants().unwrap()[0].clone();
    assert_eq!(record.status, Status::Archived);
    assert!(record.delete_after.is_some());
    assert_eq!(rows(tenancy), ["kept"]);
    let refused = tenancy.unarchive(&id("A1")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "tenant `A1` is active and was not archived"
    );
    assert_eq!(tenancy.tenants().unwrap()[0].status, Status::Active);
}
