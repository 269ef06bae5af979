//! Nothing is purged before its date, whatever the clock says.
use super::*;

/// The clock says that a month has passed since anything was seen to happen.
#[test]
fn a_clock_that_jumped_ahead_purges_nothing() {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    for (days, purged) in [(6, true), (8, false), (400, false)] {
        let (fleet, _tenant) = one_due();
        let jump = format!(
            "UPDATE __tenants_catalog SET clock_seen = clock_seen - {}",
            days * DAY
        );
        shared_sql(&fleet.tenancy, &jump);
        // Neither opening the library nor a change in the catalogue makes the time believed.
        let tenancy = fleet.again();
        tenancy.hold(&id("TH001"), "x").unwrap();
        tenancy.release_hold(&id("TH001")).unwrap();
        let result = tenancy.purge(&id("TH001"), "TH001");
        if purged {
            result.unwrap();
            continue;
        }
        let jumped = result.unwrap_err();
        assert!(matches!(jumped, PurgeError::ClockJump { .. }), "{jumped:?}");
        assert!(
            jumped.to_string().contains("i_checked_the_clock"),
            "{jumped}"
        );
        assert_eq!(world::check(&fleet.root).tenants().unwrap().len(), 1);
        let options = PurgeOptions::default().i_checked_the_clock();
        tenancy.purge_with(&id("TH001"), "TH001", &options).unwrap();
        // From here on it is.
        fleet.create("B1");
        delete_at_once(&tenancy, &id("B1"));
        tenancy.purge(&id("B1"), "B1").unwrap();
    }
}

#[test]
fn the_date_holds_whatever_is_checked() {
    let (fleet, _tenant) = one_due();
    fleet
        .tenancy
        .delete(&id("TH001"), "TH001", Retention::days(1))
        .unwrap();
    let options = PurgeOptions::default().i_checked_the_clock();
    let early = fleet
        .tenancy
        .purge_with(&id("TH001"), "TH001", &options)
        .unwrap_err();
    assert!(matches!(early, PurgeError::NotYet { .. }), "{early:?}");
}

/// Somebody sets a later date, after this process has read the earlier one.
#[test]
fn the_date_is_read_at_the_commit_point() {
    let fleet = fleet_with(|b| b.freshness(Duration::from_secs(3600)));
    fleet.create("TH001");
    delete_at_once(&fleet.tenancy, &id("TH001"));
    fleet
        .again()
        .delete(&id("TH001"), "TH001", Retention::days(1))
        .unwrap();
    let early = fleet.tenancy.purge(&id("TH001"), "TH001").unwrap_err();
    assert!(matches!(early, PurgeError::NotYet { .. }), "{early:?}");
}

/// Whatever is decided while a purge waits for open contexts is read once more at its commit point.
#[cfg(feature = "failpoints")]
#[test]
fn what_is_decided_until_the_commit_point_counts() {
    type Change = fn(&Tenancy);
    let changes: [(&str, Change); 4] = [
        ("held", |t| t.hold(&id("TH001"), "court order").unwrap()),
        ("not yet", |t| {
            t.delete(&id("TH001"), "TH001", Retention::days(1)).unwrap();
        }),
        ("not scheduled", |t| t.undelete(&id("TH001")).unwrap()),
        ("gone", |t| t.unarchive(&id("TH001")).unwrap()),
    ];
    for (expected, change) in changes {
        let (fleet, tenant) = one_due();
        let gate = fleet.root.with_file_name("gate");
        let mut purge = crate::actors::command("purge when told", &fleet.root);
        let plan = format!("purge.drained=pause:{}", gate.display());
        purge.env("DIESEL_TENANTS_FAILPOINT", plan);
        let mut purge = Actor::from(purge);
        assert_eq!(purge.hear().unwrap(), "ready");
        purge.tell("TH001");
        while !gate.with_extension("reached").exists() {
            std::thread::yield_now();
        }
        change(&fleet.tenancy);
        std::fs::write(&gate, "").unwrap();
        assert_eq!(purge.hear().unwrap(), expected);
        assert!(fleet.file(&tenant, 1).exists());
    }
}
