//! Which tenant a hospital is, where that has to be said.
use diesel_tenants::Retention;
use diesel_tenants::access::Principal;
use diesel_tenants::audit::AuditFilter;
use diesel_tenants::models::shared::accounts::Role;
use diesel_tenants::models::shared::subscriptions::BillingCycle;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::NewAccount;
use diesel_tenants::services::hospitals::{self, BindError, astray, rebind};
use diesel_tenants::services::onboarding::{OnboardingError, deregister, reopen};
use diesel_tenants::services::{now, subscriptions};

use super::onboarding::{CODE, ask, asked, id, with_plans};
use super::service;

#[test]
fn a_hospital_is_bound_again_where_its_tenant_is_gone() {
    let mut service = service();
    let clerk = Principal::user("user:clerk".parse().unwrap());
    service.tenancy = service.tenancy.acting_as(clerk);
    let tenancy = &service.tenancy;
    let tenant = |code: &str| code.parse::<TenantId>().unwrap();
    let north = service.hospital("NORTH");
    let south = service.hospital("SOUTH");
    // From before there was the column, and without a tenant of its code.
    let old = service.hospital_row("OLD");
    tenancy
        .create(&tenant("OLD"), NewTenant::named("Old"))
        .unwrap();
    let west = service.hospital_row("WEST");
    let told = |codes: &[(&str, bool, Option<&str>)]| {
        let found = astray(tenancy).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one| {
                (
                    one.code.as_str(),
                    one.lost.is_some(),
                    one.candidate.map(|id| id.to_string()),
                )
            })
            .collect();
        let expected: Vec<_> = codes
            .iter()
            .map(|(code, lost, candidate)| (*code, *lost, candidate.map(str::to_owned)))
            .collect();
        assert_eq!(found, expected);
    };
    told(&[("OLD", false, Some("OLD")), ("WEST", false, None)]);
    // Only one that is being registered is not lost: some other run about the code is no reason not to tell of it.
    let stuck = |sql: &str| {
        let shared = &mut service.shared();
        let done = shared.unrouted("play a run that is stuck", |raw| {
            diesel::sql_query(sql).execute(raw)
        });
        done.unwrap();
    };
    stuck(
        "INSERT INTO __tenants_workflows (id, name, tenant_id, instance, state, digest, started_at, changed_at) \
         VALUES (randomblob(16), 'hospital.admission', 'WEST', zeroblob(16), 'stuck', zeroblob(32), 0, 0)",
    );
    told(&[("OLD", false, Some("OLD")), ("WEST", false, None)]);
    stuck("UPDATE __tenants_workflows SET name = 'register-hospital'");
    told(&[("OLD", false, Some("OLD"))]);
    stuck("DELETE FROM __tenants_workflows");

    let refused = |code: &str, to: &str, word: &str| {
        let before = tenancy.audit_head().unwrap();
        let error = rebind(tenancy, code, &tenant(to), word).unwrap_err();
        assert_eq!(tenancy.audit_head().unwrap(), before, "{error:?}");
        error
    };
    use BindError as E;
    assert!(matches!(
        refused("NOBODY", "OLD", "NOBODY"),
        E::UnknownHospital { .. }
    ));
    assert!(matches!(refused("OLD", "NOBODY", "OLD"), E::Open(_)));
    assert!(matches!(
        refused("OLD", "OLD", "old"),
        E::NotConfirmed { .. }
    ));
    assert!(matches!(
        refused("OLD", "SOUTH", "OLD"),
        E::TenantTaken { .. }
    ));
    // A tenant that is there stays the hospital, whatever its state.
    tenancy.suspend(&tenant("NORTH")).unwrap();
    assert!(matches!(
        refused("NORTH", "OLD", "NORTH"),
        E::HasTenant {
            status: Status::Suspended,
            ..
        }
    ));
    tenancy.archive(&tenant("NORTH")).unwrap();
    tenancy
        .delete(&tenant("NORTH"), "NORTH", Retention::NONE)
        .unwrap();
    assert!(matches!(
        refused("NORTH", "OLD", "NORTH"),
        E::HasTenant {
            status: Status::Archived,
            ..
        }
    ));
    tenancy
        .reserve(&tenant("EAST"), NewTenant::named("East"))
        .unwrap();
    assert!(matches!(
        refused("OLD", "EAST", "OLD"),
        E::NotUsable {
            status: Status::Reserved,
            ..
        }
    ));

    let bound = rebind(tenancy, "OLD", &tenant("OLD"), "OLD").unwrap();
    assert_eq!((bound.hospital, bound.before), (old, None));
    let shared = &mut service.shared();
    assert_eq!(hospitals::of_tenant(shared, bound.uuid).unwrap(), Some(old));
    told(&[("WEST", false, None)]);

    // Purged, and back under another uuid.
    let was = tenancy.handle(&tenant("NORTH")).unwrap().uuid();
    tenancy.purge(&tenant("NORTH"), "NORTH").unwrap();
    told(&[("NORTH", true, None), ("WEST", false, None)]);
    let new = NewTenant::named("North").reuse_retired_id();
    let is = tenancy.create(&tenant("NORTH"), new).unwrap().uuid();
    told(&[("NORTH", true, Some("NORTH")), ("WEST", false, None)]);
    assert!(
        !hospitals::bind(shared, north, is, now()).unwrap(),
        "only by whoever means it"
    );
    let member = NewAccount::new("Ada", "x", "ada@example.org").member_of(north, Role::Nurse);
    let ada = service
        .accounts
        .create(shared, &member, now())
        .unwrap()
        .user;
    let bound = rebind(tenancy, "NORTH", &tenant("NORTH"), "NORTH").unwrap();
    assert_eq!(
        (bound.hospital, bound.uuid, bound.before),
        (north, is, Some(was))
    );
    let by = diesel_tenants::services::accounts::Accounts::principal(ada);
    drop(tenancy.tenant_as(&by, &tenant("NORTH")).unwrap());
    told(&[("WEST", false, None)]);

    // Again: nothing, and nothing is entered.
    let head = tenancy.audit_head().unwrap();
    rebind(tenancy, "NORTH", &tenant("NORTH"), "").unwrap();
    assert_eq!(tenancy.audit_head().unwrap(), head);
    let entries = tenancy.audit_entries(&AuditFilter::all(), 1_000).unwrap();
    let bindings: Vec<_> = entries
        .iter()
        .filter(|entry| entry.action == "hospital.bind")
        .map(|entry| {
            let before = entry.detail.contains("before");
            let tenant = entry.tenant_id.clone();
            (
                entry.subject.unwrap(),
                tenant.unwrap(),
                before,
                entry.actor.as_str(),
            )
        })
        .collect();
    let by = "user:clerk";
    assert_eq!(
        bindings,
        [
            (*north.as_uuid(), "NORTH".to_owned(), false, by),
            (*south.as_uuid(), "SOUTH".to_owned(), false, by),
            (*old.as_uuid(), "OLD".to_owned(), false, by),
            (*north.as_uuid(), "NORTH".to_owned(), true, by),
        ]
    );
    let _ = west;
}

/// Being gone is the end of a hospital that was closed: it is not looked for.
#[test]
fn a_hospital_that_was_closed_is_not_lost() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    assert_eq!(astray(tenancy).unwrap(), []);
    deregister(tenancy, &id(), CODE, Retention::NONE).unwrap();
    tenancy.purge(&id(), CODE).unwrap();
    let new = NewTenant::named("Another").reuse_retired_id();
    tenancy.create(&id(), new).unwrap();
    assert_eq!(astray(tenancy).unwrap(), []);
    let taken = ask(tenancy, None, &asked(CODE)).unwrap_err();
    assert!(
        matches!(taken, OnboardingError::CodeTaken { .. }),
        "{taken:?}"
    );
}

/// A retired id is nobody's again, so data that comes back does so under another one. Closing the hospital by its code
/// closed its rows, said when its data may go, and left its database in service.
#[test]
fn a_hospital_whose_tenant_has_another_id_is_closed_and_opened_with_it() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    let tenant = |code: &str| code.parse::<TenantId>().unwrap();
    let (north, back) = (tenant("NORTH"), tenant("NORTH-2"));
    let hospital = service.hospital("NORTH");
    let shared = &mut service.shared();
    subscriptions::start_trial(shared, hospital, "basic", BillingCycle::Monthly, now()).unwrap();
    tenancy.suspend(&north).unwrap();
    tenancy.archive(&north).unwrap();
    tenancy.delete(&north, "NORTH", Retention::NONE).unwrap();
    tenancy.purge(&north, "NORTH").unwrap();
    let handle = tenancy.create(&back, NewTenant::named("North")).unwrap();
    assert_eq!(tenancy.usage(&back).unwrap().quota, None);
    rebind(tenancy, "NORTH", &back, "NORTH").unwrap();
    // It holds as much as the hospital pays for, as the one it was did.
    assert_eq!(tenancy.usage(&back).unwrap().quota, Some(10_000_000_000));
    assert_eq!(handle.record().unwrap().plan.as_deref(), Some("basic"));

    let refused = deregister(tenancy, &north, "NORTH-2", Retention::days(90)).unwrap_err();
    assert!(matches!(refused, OnboardingError::NotConfirmed { .. }));
    let date = deregister(tenancy, &north, "NORTH", Retention::days(90)).unwrap();
    let record = handle.record().unwrap();
    assert_eq!(record.status, Status::Archived);
    assert_eq!(record.delete_after, Some(date));
    reopen(tenancy, &north, "basic", BillingCycle::Monthly).unwrap();
    let record = handle.record().unwrap();
    assert_eq!((record.status, record.delete_after), (Status::Active, None));
}
