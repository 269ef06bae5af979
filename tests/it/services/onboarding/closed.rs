//! Hospitals that are closed, for their people and their database, and opened again.
use super::*;

#[test]
fn a_hospital_is_closed_and_opened_again_with_its_people() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    let accounts = &service.accounts;
    let made = ask(tenancy, None, &asked(CODE)).unwrap();
    let other = ask(tenancy, None, &asked("OTHER")).unwrap();
    let shared = &mut service.shared();
    let person = |shared: &mut SharedContext, name: &str, hospital| {
        let new = NewAccount::new(name, "x", format!("{name}@example.org"));
        let made = accounts.create(shared, &new.member_of(hospital, Role::Nurse), now());
        let made = made.unwrap();
        let login = accounts.log_in(shared, &made.username, made.password.reveal(), None, now());
        login.unwrap()
    };
    let password = made.owner.password.as_ref().unwrap().reveal();
    let owner = accounts.log_in(shared, &made.owner.username, password, None, now());
    let owner = owner.unwrap();
    let both_login = person(shared, "both", made.hospital);
    let both = both_login.user;
    let gone = person(shared, "gone", made.hospital).user;
    accounts
        .grant(shared, both, other.hospital, Role::Doctor, now())
        .unwrap();
    accounts
        .revoke_membership(shared, gone, made.hospital)
        .unwrap();
    let mut session = |login, hospital| {
        accounts
            .begin_session(shared, login, hospital, None, None, now())
            .unwrap()
    };
    let owners = session(&owner, None);
    let here = session(&both_login, Some(made.hospital));
    let elsewhere = session(&both_login, Some(other.hospital));

    let early = deregister(tenancy, &id(), "north", Retention::days(90)).unwrap_err();
    assert!(
        matches!(early, OnboardingError::NotConfirmed { .. }),
        "{early:?}"
    );
    assert!(matches!(
        reopen(tenancy, &id(), "basic", BillingCycle::Monthly),
        Err(OnboardingError::NotClosed { .. })
    ));
    // Spelled otherwise it is the same hospital.
    let date = deregister(
        tenancy,
        &"north".parse().unwrap(),
        CODE,
        Retention::days(90),
    )
    .unwrap();
    let kept = date.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(kept.as_secs() > 89 * 24 * 3600);
    settled(tenancy);
    assert!(hospital(tenancy).closed_at.is_some());
    assert_eq!(subscriptions::current(shared, made.hospital).unwrap(), None);
    let role =
        |shared: &mut SharedContext, user| accounts.role_in(shared, user, made.hospital).unwrap();
    assert_eq!(role(shared, made.owner.user), None);
    assert_eq!(role(shared, both), None);
    assert_eq!(accounts.memberships(shared, both).unwrap().len(), 1);
    let mut good = |token, hospital| {
        let session = accounts.signed_in(shared, token, hospital, now());
        session.unwrap().is_some()
    };
    assert_eq!(
        [
            good(&owners, None),
            good(&here, Some(made.hospital)),
            good(&elsewhere, Some(other.hospital))
        ],
        [false, false, true]
    );
    assert!(tenancy.tenant(&id()).is_err());
    let refused = tenancy.purge(&id(), CODE);
    assert!(refused.is_err(), "its data is kept");

    // Twice is as once, and the date stays.
    assert_eq!(
        deregister(tenancy, &id(), CODE, Retention::NONE).unwrap(),
        date
    );
    let closed = change_plan(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap_err();
    assert!(
        matches!(closed, OnboardingError::Closed { .. }),
        "{closed:?}"
    );
    let taken = ask(tenancy, None, &asked(CODE)).unwrap_err();
    assert!(
        matches!(taken, OnboardingError::CodeTaken { .. }),
        "{taken:?}"
    );

    let unknown = reopen(tenancy, &id(), "gold", BillingCycle::Monthly).unwrap_err();
    assert!(
        matches!(unknown, OnboardingError::Subscription(_)),
        "{unknown:?}"
    );
    reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
    settled(tenancy);
    assert_eq!(hospital(tenancy).closed_at, None);
    assert_eq!(role(shared, made.owner.user), Some(Role::HospitalAdmin));
    assert_eq!(role(shared, both), Some(Role::Nurse));
    assert_eq!(
        role(shared, gone),
        None,
        "who had left before does not come back"
    );
    let record = tenancy.handle(&id()).unwrap().record().unwrap();
    assert_eq!((record.status, record.delete_after), (Status::Active, None));
    assert_eq!(quota(tenancy), Some(10_000 * MB));
    let present = subscriptions::current(shared, made.hospital)
        .unwrap()
        .unwrap();
    assert_eq!(present.state, SubscriptionState::Pending);
    assert_eq!(hospital_other_untouched(shared, other.hospital), (1, 2));
}

/// Sessions that were ended, and memberships that count, of the hospital that nobody closed.
fn hospital_other_untouched(shared: &mut SharedContext, hospital: Id<Hospital>) -> (i64, i64) {
    let open = sessions::table
        .filter(sessions::hospital_id.eq(hospital))
        .filter(sessions::revoked_at.is_null())
        .count();
    let members = tenant_access::table
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::active.eq(true))
        .count();
    (
        open.get_result(shared).unwrap(),
        members.get_result(shared).unwrap(),
    )
}

#[test]
fn what_was_purged_is_not_opened_again_and_its_code_stays_taken() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    deregister(tenancy, &id(), CODE, Retention::NONE).unwrap();
    tenancy.purge(&id(), CODE).unwrap();
    deregister(tenancy, &id(), CODE, Retention::NONE).unwrap();
    let gone = reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap_err();
    assert!(matches!(gone, OnboardingError::Gone { .. }), "{gone:?}");
    let taken = ask(tenancy, None, &asked(CODE)).unwrap_err();
    assert!(
        matches!(taken, OnboardingError::CodeTaken { .. }),
        "{taken:?}"
    );
    settled(tenancy);
    let nobody = deregister(
        tenancy,
        &"NOBODY".parse().unwrap(),
        "NOBODY",
        Retention::NONE,
    );
    assert!(matches!(
        nobody,
        Err(OnboardingError::UnknownHospital { .. })
    ));
}

/// Whether the hospital is closed, on all sides.
pub(in crate::services) fn closed(tenancy: &Tenancy) -> bool {
    let closed = hospital(tenancy).closed_at.is_some();
    let record = tenancy.handle(&id()).unwrap().record().unwrap();
    let status = match closed {
        true => Status::Archived,
        false => Status::Active,
    };
    assert_eq!(
        (record.status, record.delete_after.is_some()),
        (status, closed)
    );
    let shared = &mut tenancy.shared().unwrap();
    let row = hospital(tenancy).id;
    assert_eq!(
        subscriptions::current(shared, row).unwrap().is_none(),
        closed
    );
    let members = tenant_access::table
        .filter(tenant_access::active.eq(true))
        .count();
    assert_eq!(
        members.get_result::<i64>(shared).unwrap(),
        i64::from(!closed)
    );
    closed
}

/// Deregisters while the catalogue takes no change of a tenant: the hospital is closed, its database is not.
pub(in crate::services) fn deregister_by_halves(service: &Service) -> OnboardingError {
    let raw = |sql: &str| {
        let mut shared = service.shared();
        let done = shared.unrouted("stand in the way", |raw| {
            raw.connection().batch_execute(sql)
        });
        done.unwrap();
    };
    raw("CREATE TRIGGER veto BEFORE UPDATE ON __tenants_tenants \
         BEGIN SELECT RAISE(ABORT, 'not now'); END");
    let retention = Retention::days(1);
    let error = deregister(&service.tenancy, &id(), CODE, retention).unwrap_err();
    raw("DROP TRIGGER veto");
    error
}

/// Past the commit the hospital is closed for its people, and what its database is in the way of is done later.
#[test]
fn a_database_that_cannot_be_closed_now_is_closed_later() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    let error = deregister_by_halves(&service);
    assert!(error.is_retryable(), "{error:?}");
    assert!(hospital(tenancy).closed_at.is_some());
    let [left] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is left");
    };
    assert_eq!(left.name, "deregister-hospital");
    assert_eq!(tenancy.recover().unwrap(), 1);
    settled(tenancy);
    assert!(closed(tenancy));
}

/// What was left to be closed had its id alone, and whoever had it by then would have been closed.
#[test]
fn what_is_left_to_be_closed_is_never_the_next_tenant_of_the_id() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    deregister_by_halves(&service);
    // Somebody does by hand what was left, and somebody else gets the id.
    tenancy.suspend(&id()).unwrap();
    tenancy.archive(&id()).unwrap();
    tenancy.delete(&id(), CODE, Retention::NONE).unwrap();
    tenancy.purge(&id(), CODE).unwrap();
    let next = NewTenant::named("Another").reuse_retired_id();
    let next = tenancy.create(&id(), next).unwrap();
    tenancy.recover().unwrap();
    let status = tenancy.handle(&id()).unwrap().record().unwrap().status;
    assert_eq!(status, diesel_tenants::Status::Active);
    next.enter().unwrap();
}
