//! Who is let in, by what right, and what those who are not are told.
use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel_tenants::access::{ActorId, Membership, Principal, Reason, Role};
use diesel_tenants::audit::{AuditFilter, AuditPolicy};
use diesel_tenants::backend::TenantKey;
use diesel_tenants::{AccessError, prelude::*};

use crate::actors::{Actor, say};
use crate::app::{Fleet, ROUTES, admit, builder, delete_at_once, fleet, fleet_with, names, users};

/// Members stand in the table of users, as `actor is role of TENANT`.
pub(crate) struct Members;

impl Membership for Members {
    fn role(
        &self,
        shared: &mut SharedContext,
        actor: &ActorId,
        tenant: &TenantKey,
    ) -> QueryResult<Option<Role>> {
        let names = users::table.select(users::name).load::<String>(shared)?;
        let (before, after) = (format!("{actor} is "), format!(" of {}", tenant.id));
        let role = names
            .iter()
            .find_map(|name| name.strip_prefix(&before)?.strip_suffix(&after));
        let role = role.and_then(|role| Role::named(role).ok());
        Ok(role.map(|role| match role.name().as_str() {
            "superuser" => role.privileged(),
            _ => role,
        }))
    }
}

thread_local! {
    static STATEMENTS: Cell<usize> = const { Cell::new(0) };
}

/// The parts other processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    if part != "count statements" {
        return false;
    }
    // For the whole process, so it is one of its own; counted on this thread, where all of them are run.
    let counting = || -> Option<Box<dyn Instrumentation>> {
        Some(Box::new(|event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { .. } = event {
                STATEMENTS.set(STATEMENTS.get() + 1);
            }
        }))
    };
    diesel::connection::set_default_instrumentation(counting).unwrap();
    let tenancy = builder(root)
        .freshness(Duration::from_secs(3600))
        .open()
        .unwrap();
    for case in CASES {
        let (actor, tenant) = case;
        let counted = |f: &dyn Fn()| {
            // The first time a connection is opened, a statement prepared.
            f();
            STATEMENTS.set(0);
            f();
            STATEMENTS.get()
        };
        let as_somebody = counted(&|| drop(tenancy.tenant_as(&user(actor), &id(tenant))));
        let as_anybody = counted(&|| drop(tenancy.tenant(&id(tenant))));
        say(format!("{as_somebody} {as_anybody}"));
    }
    true
}

/// Who asks for what: there, and no member; deleted, suspended, archived, unknown, each as a member and as none.
const CASES: [(&str, &str); 9] = [
    ("other", "TH001"),
    ("nurse", "TH002"),
    ("other", "TH002"),
    ("nurse", "TH003"),
    ("other", "TH003"),
    ("nurse", "TH004"),
    ("other", "TH004"),
    ("nurse", "TH404"),
    ("other", "TH404"),
];

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn user(actor: &str) -> Principal {
    Principal::user(actor.parse().unwrap())
}

fn reason() -> Reason {
    "unconscious patient in the emergency room".parse().unwrap()
}

fn make_member(tenancy: &Tenancy, actor: &str, role: &str, tenant: &str) {
    let name = users::name.eq(format!("{actor} is {role} of {tenant}"));
    let row = diesel::insert_into(users::table).values(name);
    row.execute(&mut tenancy.shared().unwrap()).unwrap();
}

fn end_memberships(tenancy: &Tenancy) {
    diesel::delete(users::table)
        .execute(&mut tenancy.shared().unwrap())
        .unwrap();
}

fn two_hospitals() -> Fleet {
    let fleet = fleet();
    fleet.create("TH001");
    fleet.create("TH002");
    fleet
}

/// The actions of one actor, oldest first.
fn actions(tenancy: &Tenancy, actor: &str) -> Vec<String> {
    let filter = AuditFilter::all().actor(&actor.parse().unwrap());
    let entries = tenancy.audit_entries(&filter, 1_000).unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

fn raw(tenancy: &Tenancy, sql: &str) {
    use diesel::connection::SimpleConnection;
    let done = tenancy
        .shared()
        .unwrap()
        .unrouted("tamper", |raw| raw.connection().batch_execute(sql));
    done.unwrap();
}

#[test]
fn without_a_source_of_memberships_nobody_is_let_in() {
    let dir = tempfile::tempdir().unwrap();
    let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
        .sqlite(dir.path().join("data"))
        .init()
        .open()
        .unwrap();
    tenancy.create(&id("TH001"), NewTenant::named("x")).unwrap();
    let refused = tenancy.tenant_as(&user("nurse"), &id("TH001")).unwrap_err();
    assert!(
        matches!(refused, AccessError::NoMembershipSource),
        "{refused:?}"
    );
    // Nor is anybody by breaking the glass: who is no member is not known either.
    tenancy
        .break_glass(
            &user("nurse"),
            &id("TH001"),
            reason(),
            Duration::from_secs(60),
        )
        .unwrap();
    let refused = tenancy.tenant_as(&user("nurse"), &id("TH001")).unwrap_err();
    assert!(
        matches!(refused, AccessError::NoMembershipSource),
        "{refused:?}"
    );
}

#[test]
fn a_member_is_let_in_and_nobody_else() {
    let fleet = two_hospitals();
    let tenancy = &fleet.tenancy;
    make_member(tenancy, "nurse", "staff", "TH001");
    let mut ctx = tenancy.tenant_as(&user("nurse"), &id("th001")).unwrap();
    admit(&mut ctx, "Ada").unwrap();
    assert_eq!(names(&mut ctx), ["Ada"]);
    drop(ctx);
    let role = tenancy.role_of(&user("nurse"), &id("TH001")).unwrap();
    assert_eq!(role.name().as_str(), "staff");

    let refused = tenancy.tenant_as(&user("nurse"), &id("TH002")).unwrap_err();
    assert!(
        matches!(refused, AccessError::NotAMember { .. }),
        "{refused:?}"
    );
    assert_eq!(
        refused.to_string(),
        "the actor is not a member of tenant `TH002`; enter the membership, or break the glass with a reason"
    );
    let refused = tenancy.tenant_as(&user("other"), &id("TH001")).unwrap_err();
    assert!(
        matches!(refused, AccessError::NotAMember { .. }),
        "{refused:?}"
    );

    // Nothing is cached.
    end_memberships(tenancy);
    let refused = tenancy.tenant_as(&user("nurse"), &id("TH001")).unwrap_err();
    assert!(
        matches!(refused, AccessError::NotAMember { .. }),
        "{refused:?}"
    );
}

/// A fleet for [`CASES`].
fn every_reason_to_be_refused() -> Fleet {
    let fleet = two_hospitals();
    let tenancy = &fleet.tenancy;
    for tenant in ["TH002", "TH003", "TH004", "TH404"] {
        make_member(tenancy, "nurse", "staff", tenant);
    }
    for tenant in ["TH003", "TH004"] {
        fleet.create(tenant);
        tenancy.suspend(&id(tenant)).unwrap();
    }
    tenancy.archive(&id("TH004")).unwrap();
    delete_at_once(tenancy, &id("TH002"));
    tenancy.purge(&id("TH002"), "TH002").unwrap();
    fleet
}

/// Nor from how long it takes, as far as that comes from the statements it causes.
#[test]
fn whoever_is_refused_causes_as_much_work() {
    let fleet = every_reason_to_be_refused();
    let minute = Duration::from_secs(60);
    // Grants are looked at one by one.
    for actor in ["other", "nurse"] {
        let tenancy = &fleet.tenancy;
        let broken = tenancy.break_glass(&user(actor), &id("TH003"), reason(), minute);
        tenancy.close_grant(broken.unwrap().id).unwrap();
    }
    let mut child = Actor::spawn("count statements", &fleet.root);
    let counts = CASES.map(|case| (case, child.hear().unwrap()));
    let mut as_anybody: Vec<_> = Vec::new();
    for ((actor, tenant), count) in &counts {
        let (somebody, anybody) = count.split_once(' ').unwrap();
        assert_eq!(somebody, "3", "{actor} {tenant}: {counts:?}");
        // TH001 is open to whoever does not say who it is.
        if *tenant != "TH001" {
            as_anybody.push(anybody.to_owned());
        }
    }
    assert!(as_anybody.iter().all(|count| count == "1"), "{counts:?}");
}

#[test]
fn an_untrusted_caller_learns_nothing_from_the_answer() {
    let fleet = every_reason_to_be_refused();
    let tenancy = &fleet.tenancy;
    // Not a member, deleted, suspended, archived, unknown.
    let answers = ["TH001", "TH002", "TH003", "TH004", "TH404"].map(|tenant| {
        let error = tenancy.tenant_as(&user("nurse"), &id(tenant)).unwrap_err();
        let answer = error.for_untrusted().unwrap_or_else(|| panic!("{error:?}"));
        format!("{answer} {answer:?}")
    });
    assert!(
        answers.iter().all(|answer| answer == &answers[0]),
        "{answers:?}"
    );
}

#[test]
fn who_breaks_the_glass_is_let_in_and_named() {
    let fleet = two_hospitals();
    let tenancy = &fleet.tenancy;
    let doctor = user("doctor");
    let hour = Duration::from_secs(60 * 60);
    let grant = tenancy
        .break_glass(&doctor, &id("TH001"), reason(), hour)
        .unwrap();
    assert_eq!(actions(tenancy, "doctor"), ["break-glass.open"]);
    assert_eq!(
        tenancy.active_grants().unwrap(),
        std::slice::from_ref(&grant)
    );
    drop(tenancy.tenant_as(&doctor, &id("TH001")).unwrap());
    // In other processes too; not for others, and not elsewhere.
    drop(fleet.again().tenant_as(&doctor, &id("TH001")).unwrap());
    for (other, tenant) in [(user("other"), "TH001"), (doctor.clone(), "TH002")] {
        let refused = tenancy.tenant_as(&other, &id(tenant)).unwrap_err();
        assert!(
            matches!(refused, AccessError::NotAMember { .. }),
            "{refused:?}"
        );
    }
    let service = Principal::service("doctor".parse().unwrap());
    tenancy.tenant_as(&service, &id("TH001")).unwrap_err();
    assert!(matches!(
        tenancy.role_of(&doctor, &id("TH001")),
        Err(AccessError::NotAMember { .. })
    ));

    let admin = tenancy.acting_as(user("admin"));
    assert!(admin.close_grant(grant.id).unwrap());
    assert!(!admin.close_grant(grant.id).unwrap());
    tenancy.tenant_as(&doctor, &id("TH001")).unwrap_err();
    assert_eq!(tenancy.active_grants().unwrap(), []);
    assert_eq!(
        actions(tenancy, "doctor"),
        ["break-glass.open", "tenant.open", "tenant.open"]
    );
    assert_eq!(actions(tenancy, "admin"), ["break-glass.close"]);
    let filter = AuditFilter::all().actor(doctor.actor());
    for entry in tenancy.audit_entries(&filter, 10).unwrap() {
        assert_eq!(entry.reason.as_deref(), Some(reason().as_str()));
        assert_eq!(entry.subject, Some(grant.id));
        assert_eq!(entry.tenant_id.as_deref(), Some("TH001"));
        assert!(!format!("{entry:?} {grant:?}").contains("unconscious"));
    }
    assert!(tenancy.verify_audit().unwrap().is_intact());
}

/// Whatever else would have let them in.
#[test]
fn a_member_who_breaks_the_glass_is_named_as_well() {
    let fleet = two_hospitals();
    let tenancy = &fleet.tenancy;
    make_member(tenancy, "nurse", "staff", "TH001");
    let nurse = user("nurse");
    drop(tenancy.tenant_as(&nurse, &id("TH001")).unwrap());
    assert_eq!(actions(tenancy, "nurse"), [""; 0]);
    let minute = Duration::from_secs(60);
    let grant = tenancy.break_glass(&nurse, &id("TH001"), reason(), minute);
    drop(tenancy.tenant_as(&nurse, &id("TH001")).unwrap());
    let role = tenancy.role_of(&nurse, &id("TH001")).unwrap();
    assert_eq!(role.name().as_str(), "staff");
    assert_eq!(
        actions(tenancy, "nurse"),
        ["break-glass.open", "tenant.open"]
    );
    let filter = AuditFilter::all().actor(nurse.actor());
    let entries = tenancy.audit_entries(&filter, 10).unwrap();
    let opened = entries
        .iter()
        .find(|entry| entry.action == "tenant.open")
        .unwrap();
    assert_eq!(opened.subject, Some(grant.unwrap().id));
    assert_eq!(opened.reason.as_deref(), Some(reason().as_str()));
}

#[test]
fn the_glass_is_broken_for_an_hour_at_most() {
    let fleet = two_hospitals();
    let tenancy = &fleet.tenancy;
    let doctor = user("doctor");
    for wrong in [Duration::ZERO, Duration::from_secs(60 * 60 + 1)] {
        let refused = tenancy
            .break_glass(&doctor, &id("TH001"), reason(), wrong)
            .unwrap_err();
        assert!(
            matches!(refused, AccessError::TooLong { .. }),
            "{refused:?}"
        );
    }
    tenancy
        .break_glass(&doctor, &id("TH001"), reason(), Duration::from_millis(20))
        .unwrap();
    while tenancy.tenant_as(&doctor, &id("TH001")).is_ok() {
        std::thread::yield_now();
    }
    assert_eq!(tenancy.active_grants().unwrap(), []);
    assert_eq!(tenancy.active_grants().unwrap(), []);
    let filter = AuditFilter::all().action("break-glass.expire");
    let [expired] = &tenancy.audit_entries(&filter, 10).unwrap()[..] else {
        panic!("it expires once");
    };
    assert_eq!(expired.tenant_id.as_deref(), Some("TH001"));
}

/// A clock that is turned back would make a grant last as much longer.
#[test]
fn a_clock_that_is_turned_back_makes_no_grant_longer() {
    let fleet = two_hospitals();
    let tenancy = &fleet.tenancy;
    let doctor = user("doctor");
    let minute = Duration::from_secs(60);
    let open = || {
        let grant = tenancy
            .break_glass(&doctor, &id("TH001"), reason(), minute)
            .unwrap();
        drop(tenancy.tenant_as(&doctor, &id("TH001")).unwrap());
        grant
    };
    // Now is before it was granted.
    let grant = open();
    raw(
        tenancy,
        "UPDATE __tenants_grants SET granted_at = granted_at + 30000",
    );
    tenancy.tenant_as(&doctor, &id("TH001")).unwrap_err();
    assert_eq!(tenancy.active_grants().unwrap(), []);
    assert!(!tenancy.close_grant(grant.id).unwrap(), "it is over");

    // Something was entered since at a time when it had expired.
    open();
    raw(
        tenancy,
        "INSERT INTO __tenants_audit
         SELECT head_seq + 1, (SELECT max(expires_at) FROM __tenants_grants), 'x', 'user', NULL, 'x.y', NULL, NULL,
                NULL, NULL, NULL, '{}', head_hash, head_hash FROM __tenants_audit_ends;
         UPDATE __tenants_audit_ends SET head_seq = head_seq + 1",
    );
    tenancy.tenant_as(&doctor, &id("TH001")).unwrap_err();

    // That it is over before its time by this clock is said in the log.
    assert_eq!(tenancy.active_grants().unwrap(), []);
    let ended = AuditFilter::all().action("break-glass.expire");
    let ended = tenancy.audit_entries(&ended, 10).unwrap();
    for (entry, says) in ended.iter().zip(["behind the grant", "behind the log"]) {
        assert!(entry.detail.contains(says), "{ended:?}");
    }
    assert_eq!(ended.len(), 2);
}

#[test]
fn what_cannot_be_entered_into_the_log_is_not_done() {
    let fleet = two_hospitals();
    let tenancy = &fleet.tenancy;
    let doctor = user("doctor");
    let minute = Duration::from_secs(60);
    tenancy
        .break_glass(&doctor, &id("TH001"), reason(), minute)
        .unwrap();
    make_member(tenancy, "root", "superuser", "TH002");
    raw(
        tenancy,
        "CREATE TRIGGER full BEFORE INSERT ON __tenants_audit BEGIN SELECT RAISE(ABORT, 'full'); END",
    );
    let refused = tenancy.tenant_as(&doctor, &id("TH001")).unwrap_err();
    assert!(matches!(refused, AccessError::Catalog(_)), "{refused:?}");
    let refused = tenancy.tenant_as(&user("root"), &id("TH002")).unwrap_err();
    assert!(matches!(refused, AccessError::Catalog(_)), "{refused:?}");
    tenancy
        .break_glass(&doctor, &id("TH002"), reason(), minute)
        .unwrap_err();
    tenancy.suspend(&id("TH002")).unwrap_err();
    assert_eq!(tenancy.active_grants().unwrap().len(), 1);
    raw(tenancy, "DROP TRIGGER full");
    drop(tenancy.tenant(&id("TH002")).unwrap());
    drop(tenancy.tenant_as(&doctor, &id("TH001")).unwrap());
}

#[test]
fn openings_are_entered_as_the_policy_says() {
    for (policy, staff, superuser) in [
        (AuditPolicy::Off, 0, 0),
        (AuditPolicy::PrivilegedOnly, 0, 1),
        (AuditPolicy::All, 1, 1),
    ] {
        let fleet = fleet_with(|builder| builder.audit(policy));
        fleet.create("TH001");
        let tenancy = &fleet.tenancy;
        make_member(tenancy, "nurse", "staff", "TH001");
        make_member(tenancy, "root", "superuser", "TH001");
        drop(tenancy.tenant_as(&user("nurse"), &id("TH001")).unwrap());
        // At once.
        assert_eq!(actions(tenancy, "nurse").len(), 0);
        drop(tenancy.tenant_as(&user("root"), &id("TH001")).unwrap());
        assert_eq!(actions(tenancy, "root").len(), superuser, "{policy:?}");
        tenancy.flush_audit().unwrap();
        assert_eq!(actions(tenancy, "nurse").len(), staff, "{policy:?}");
        let minute = Duration::from_secs(60);
        tenancy
            .break_glass(&user("doctor"), &id("TH001"), reason(), minute)
            .unwrap();
        drop(tenancy.tenant_as(&user("doctor"), &id("TH001")).unwrap());
        assert_eq!(
            actions(tenancy, "doctor"),
            ["break-glass.open", "tenant.open"]
        );
    }
}
