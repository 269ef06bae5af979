//! A tenant's database grows up to its quota and no further.
use std::time::{Duration, Instant};

use diesel_tenants::error::{ContextPoisoned, CreateError, QuotaError, QuotaExceeded, SetupError};
use diesel_tenants::{Error, prelude::*};

use crate::actors::{Actor, command_under, say};
use crate::app::{Fleet, admit, builder, fleet, fleet_with, names, patients};
use crate::world;

const MIB: u64 = 1 << 20;

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn with_quota(bytes: u64) -> (Fleet, TenantHandle) {
    let fleet = fleet();
    let new = NewTenant::named("x").quota(bytes);
    let tenant = fleet.tenancy.create(&id("A1"), new).unwrap();
    (fleet, tenant)
}

/// Admits patients of 10,000 bytes each until it is refused; returns how many were admitted.
fn fill(ctx: &mut TenantContext) -> (usize, diesel::result::Error) {
    let name = "x".repeat(10_000);
    for admitted in 0..10_000 {
        if let Err(error) = admit(ctx, &name) {
            return (admitted, error);
        }
    }
    panic!("never refused");
}

#[test]
fn a_database_stops_growing_at_its_quota() {
    let (fleet, tenant) = with_quota(MIB);
    let mut ctx = tenant.enter().unwrap();
    let (admitted, error) = fill(&mut ctx);
    let exceeded = QuotaExceeded::of(&error).unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!((exceeded.tenant, exceeded.quota), (id("A1"), MIB));
    assert_eq!(
        error.to_string(),
        "tenant `A1` has reached its quota of 1048576 bytes; delete rows, or raise it by `Tenancy::set_quota`"
    );
    assert!((60..105).contains(&admitted), "{admitted}");
    let usage = fleet.tenancy.usage(&id("A1")).unwrap();
    assert!(
        usage.bytes <= MIB && usage.bytes > MIB - 40_000,
        "{usage:?}"
    );
    assert_eq!(usage.quota, Some(MIB));
    assert!(usage.left().unwrap() < 40_000, "{usage:?}");
    // Every row that was acknowledged is there, and the context goes on.
    assert_eq!(names(&mut ctx).len(), admitted);
    admit(&mut ctx, "small").unwrap();
}

#[test]
fn at_the_quota_rows_are_deleted_and_there_is_room_again() {
    let (fleet, tenant) = with_quota(MIB);
    let mut ctx = tenant.enter().unwrap();
    let (admitted, _) = fill(&mut ctx);
    let half = i32::try_from(admitted / 2).unwrap();
    let gone = diesel::delete(patients::table.filter(patients::id.le(half))).execute(&mut ctx);
    assert_eq!(gone.unwrap(), admitted / 2);
    let (again, error) = fill(&mut ctx);
    assert!(QuotaExceeded::of(&error).is_some(), "{error:?}");
    assert!(again >= admitted / 2 - 1, "{again} of {}", admitted / 2);
    // All of it can be taken out, and made small.
    diesel::delete(patients::table).execute(&mut ctx).unwrap();
    let vacuumed = ctx.unrouted("VACUUM has no Diesel form", |raw| {
        diesel::sql_query("VACUUM").execute(raw)
    });
    vacuumed.unwrap();
    drop(ctx);
    let usage = fleet.tenancy.usage(&id("A1")).unwrap();
    assert!(usage.bytes < MIB / 4, "{usage:?}");
}

#[test]
fn a_full_tenant_is_compacted() {
    let (fleet, tenant) = with_quota(MIB);
    let mut ctx = tenant.enter().unwrap();
    fill(&mut ctx);
    diesel::delete(patients::table.filter(patients::id.gt(3)))
        .execute(&mut ctx)
        .unwrap();
    drop(ctx);
    fleet.tenancy.compact(&id("A1")).unwrap();
    let mut ctx = tenant.enter().unwrap();
    assert_eq!(names(&mut ctx).len(), 3);
    let (_, error) = fill(&mut ctx);
    assert!(QuotaExceeded::of(&error).is_some(), "{error:?}");
    drop(ctx);
    world::check(&fleet.root);
}

/// SQLite ends a transaction over it as a whole: what follows must not be committed statement by statement.
#[test]
fn nothing_is_kept_of_a_transaction_that_reached_the_quota() {
    let (_fleet, tenant) = with_quota(MIB);
    let mut ctx = tenant.enter().unwrap();
    let done: QueryResult<()> = ctx.transaction(|ctx| {
        admit(ctx, "first")?;
        let (_, error) = fill(ctx);
        assert!(QuotaExceeded::of(&error).is_some(), "{error:?}");
        let after = admit(ctx, "after").unwrap_err();
        assert!(ContextPoisoned::of(&after).is_some(), "{after:?}");
        Ok(())
    });
    assert!(ContextPoisoned::of(&done.unwrap_err()).is_some());
    assert!(names(&mut tenant.enter().unwrap()).is_empty());
}

#[test]
fn a_quota_below_what_is_there_takes_nothing_away() {
    let fleet = fleet();
    let tenant = fleet.create("A1");
    let mut ctx = tenant.enter().unwrap();
    for _ in 0..50 {
        admit(&mut ctx, &"x".repeat(10_000)).unwrap();
    }
    drop(ctx);
    fleet.tenancy.set_quota(&id("A1"), Some(1)).unwrap();
    let mut ctx = tenant.enter().unwrap();
    assert_eq!(names(&mut ctx).len(), 50);
    let (_, error) = fill(&mut ctx);
    assert!(QuotaExceeded::of(&error).is_some(), "{error:?}");
    diesel::update(patients::table)
        .set(patients::ward.eq("B"))
        .execute(&mut ctx)
        .unwrap();
    diesel::delete(patients::table.filter(patients::id.le(25)))
        .execute(&mut ctx)
        .unwrap();
    admit(&mut ctx, &"x".repeat(10_000)).unwrap();
}

#[test]
fn a_raised_quota_holds_for_the_next_context_and_a_lowered_one_too() {
    let (fleet, tenant) = with_quota(MIB);
    let mut open = tenant.enter().unwrap();
    let (first, _) = fill(&mut open);
    fleet.tenancy.set_quota(&id("A1"), Some(2 * MIB)).unwrap();
    // The one that is open keeps its limit, and its connection is not handed on.
    let (none, _) = fill(&mut open);
    assert!(none <= 1, "{none}");
    drop(open);
    let mut ctx = tenant.enter().unwrap();
    let (more, error) = fill(&mut ctx);
    assert_eq!(QuotaExceeded::of(&error).unwrap().quota, 2 * MIB);
    assert!(more > first / 2, "{more} after {first}");
    drop(ctx);
    fleet.tenancy.set_quota(&id("A1"), None).unwrap();
    let mut ctx = tenant.enter().unwrap();
    for _ in 0..300 {
        admit(&mut ctx, &"x".repeat(10_000)).unwrap();
    }
    assert_eq!(fleet.tenancy.usage(&id("A1")).unwrap().left(), None);
}

#[test]
fn a_quota_set_elsewhere_holds_within_the_freshness_bound() {
    let bound = Duration::from_millis(200);
    let fleet = fleet_with(|b| b.freshness(bound));
    let tenant = fleet.create("A1");
    // A warm connection without a limit.
    admit(&mut tenant.enter().unwrap(), "warm").unwrap();
    fleet.again().set_quota(&id("A1"), Some(1)).unwrap();
    let set = Instant::now();
    loop {
        let age = set.elapsed();
        let grown = admit(&mut tenant.enter().unwrap(), &"x".repeat(10_000));
        if let Err(error) = grown {
            assert!(QuotaExceeded::of(&error).is_some(), "{error:?}");
            break;
        }
        assert!(
            age < bound + Duration::from_millis(20),
            "still grows after {age:?}"
        );
    }
}

#[test]
fn a_plan_has_a_quota_and_a_tenant_may_have_another() {
    let fleet = fleet_with(|b| b.plan_quota("trial", MIB).plan_quota("other", 1));
    for (code, plan) in [("A1", Some("trial")), ("B1", Some("premium")), ("C1", None)] {
        let new = NewTenant::named("x");
        let new = match plan {
            Some(plan) => new.plan(plan),
            None => new,
        };
        fleet.tenancy.create(&id(code), new).unwrap();
    }
    let quota = |code: &str| fleet.tenancy.usage(&id(code)).unwrap().quota;
    assert_eq!(
        [quota("A1"), quota("B1"), quota("C1")],
        [Some(MIB), None, None]
    );
    let mut ctx = fleet.tenancy.tenant(&id("A1")).unwrap();
    let (_, error) = fill(&mut ctx);
    assert!(QuotaExceeded::of(&error).is_some(), "{error:?}");
    drop(ctx);
    fleet.tenancy.set_quota(&id("A1"), Some(2 * MIB)).unwrap();
    assert_eq!(quota("A1"), Some(2 * MIB));
    fleet.tenancy.set_quota(&id("A1"), None).unwrap();
    assert_eq!(quota("A1"), Some(MIB));
}

#[test]
fn a_quota_that_is_none_is_refused() {
    let (fleet, _) = with_quota(MIB);
    for bytes in [0, u64::MAX] {
        let refused = fleet.tenancy.set_quota(&id("A1"), Some(bytes));
        assert!(
            matches!(refused, Err(QuotaError::OutOfRange(_))),
            "{refused:?}"
        );
        let new = NewTenant::named("x").quota(bytes);
        let refused = fleet.tenancy.create(&id("B1"), new).unwrap_err();
        assert!(matches!(refused, CreateError::Quota(_)), "{refused:?}");
    }
    let refused = builder(&fleet.root).plan_quota("trial", 0).open();
    assert!(
        matches!(refused, Err(Error::Setup(SetupError::PlanQuota { .. }))),
        "{refused:?}"
    );
    assert_eq!(fleet.tenancy.usage(&id("A1")).unwrap().quota, Some(MIB));
}

/// Without a quota a database that is full is a full disk, whatever room is left.
#[test]
fn without_a_quota_a_full_disk_is_no_quota() {
    let fleet = fleet();
    let tenant = fleet.create("A1");
    let mut ctx = tenant.enter().unwrap();
    let full = ctx.unrouted("a full disk, as SQLite reports it", |raw| {
        diesel::sql_query("PRAGMA max_page_count = 1").execute(raw)?;
        diesel::insert_into(patients::table)
            .values((
                patients::name.eq("x".repeat(100_000)),
                patients::ward.eq("A"),
            ))
            .execute(raw)
    });
    let full = full.unwrap_err();
    assert!(QuotaExceeded::of(&full).is_none());
    assert_eq!(full.to_string(), "database or disk is full");
}

/// The parts of this module; see [`actors`](crate::actors).
pub(crate) fn act(part: &str, root: &std::path::Path) -> bool {
    if part != "fill a small disk" {
        return false;
    }
    // Room for the library and little more, and a quota that is never reached.
    let root = root.join("data");
    let tenancy = builder(&root).open().unwrap();
    let new = NewTenant::named("x").quota(100 * MIB);
    let tenant = tenancy.create(&id("A1"), new).unwrap();
    let (_, error) = fill(&mut tenant.enter().unwrap());
    say(match QuotaExceeded::of(&error) {
        None => format!("{error}"),
        Some(_) => "took it for the quota".to_owned(),
    });
    // Closed, its log gives some room back; not a page is left after this.
    drop((tenant, tenancy));
    let mut rest = std::fs::File::create(root.with_file_name("rest")).unwrap();
    while std::io::Write::write_all(&mut rest, &[0; 512]).is_ok() {}
    let error = builder(&root).open().unwrap_err();
    let mut error: Option<&dyn std::error::Error> = Some(&error);
    let mut words = Vec::new();
    while let Some(one) = error {
        words.push(one.to_string());
        error = one.source();
    }
    say(words.join(": "));
    true
}

/// Both are the same to SQLite.
#[test]
fn a_full_disk_is_told_from_a_quota_that_is_not_reached() {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let Some(unshare) = crate::crashes::with_mounts() else {
        return;
    };
    let mut mount = unshare();
    let script = r#"mount -t tmpfs -o size=2m,mode=700 none "$0" && exec "$@""#;
    mount.args(["sh", "-c", script]).arg(&disk);
    let mut actor = Actor::from(command_under(mount, "fill a small disk", &disk));
    assert_eq!(actor.hear().as_deref(), Some("database or disk is full"));
    // Opening the library needs room too; without it SQLite speaks of an I/O error.
    let said = actor.hear().unwrap();
    let full = "the disk with the database of the shared scope is full; free some room on it and try again";
    assert!(said.contains(full), "{said}");
}
