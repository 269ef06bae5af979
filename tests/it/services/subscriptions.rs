//! Plans, subscriptions, limits and modules.
use diesel_tenants::id::Id;
use diesel_tenants::models::ROUTES;
use diesel_tenants::models::schema::shared::{plans, subscriptions as rows};
use diesel_tenants::models::schema::tenant::patients;
use diesel_tenants::models::shared::accounts::Role;
use diesel_tenants::models::shared::subscriptions::{
    BillingCycle, PlanChanges, Subscription, SubscriptionState,
};
use diesel_tenants::models::tenant::patients::{Patient, Sex};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, NewAccount};
use diesel_tenants::services::admission::{
    AccountWanted, AdmissionError, Admissions, PatientDetails,
};
use diesel_tenants::services::permissions::Module;
use diesel_tenants::services::subscriptions::{self as service_of, Limited, SubscriptionError};

use super::{Service, at, day, service, today};

fn with_plans() -> Service {
    let service = service();
    service_of::ensure_plans(&mut service.shared(), at(0)).unwrap();
    service
}

fn current(
    service: &Service,
    hospital: diesel_tenants::id::Id<diesel_tenants::models::shared::accounts::Hospital>,
) -> Subscription {
    service_of::current(&mut service.shared(), hospital)
        .unwrap()
        .unwrap()
}

#[test]
fn plans_are_made_once_and_a_changed_price_stays() {
    let service = service();
    let shared = &mut service.shared();
    assert_eq!(service_of::ensure_plans(shared, at(0)).unwrap(), 4);
    let dearer = PlanChanges {
        monthly_price: Some(diesel_tenants::money::Money(1)),
        ..Default::default()
    };
    diesel::update(plans::table.filter(plans::code.eq("basic")))
        .set(&dearer)
        .execute(shared)
        .unwrap();
    assert_eq!(service_of::ensure_plans(shared, at(1)).unwrap(), 0);
    assert_eq!(
        service_of::plan(shared, "basic").unwrap().monthly_price.0,
        1
    );
    assert!(matches!(
        service_of::plan(shared, "gold"),
        Err(SubscriptionError::UnknownPlan)
    ));
}

/// Every pair of states, against the diagram.
#[test]
fn only_the_drawn_transitions_happen() {
    use SubscriptionState::{Active, Cancelled, Expired, PastDue, Pending, Suspended, Trial};
    let allowed = [
        (Trial, Pending),
        (Trial, Active),
        (Trial, Suspended),
        (Trial, Cancelled),
        (Trial, Expired),
        (Pending, Active),
        (Pending, Cancelled),
        (Pending, Expired),
        (Active, PastDue),
        (Active, Suspended),
        (Active, Cancelled),
        (Active, Expired),
        (PastDue, Active),
        (PastDue, Suspended),
        (PastDue, Cancelled),
        (PastDue, Expired),
        (Suspended, Active),
        (Suspended, Cancelled),
        (Suspended, Expired),
    ];
    let service = with_plans();
    let shared = &mut service.shared();
    for (number, &from) in SubscriptionState::ALL.iter().enumerate() {
        for &to in SubscriptionState::ALL {
            let hospital = service.hospital_row(&format!("H{number}-{to}"));
            service_of::start_trial(shared, hospital, "basic", BillingCycle::Monthly, at(0))
                .unwrap();
            let id = current(&service, hospital).id;
            diesel::update(rows::table.find(id))
                .set(rows::state.eq(from))
                .execute(shared)
                .unwrap();
            let outcome = service_of::change_state(shared, hospital, to, at(1));
            let state: SubscriptionState = rows::table
                .find(id)
                .select(rows::state)
                .first(shared)
                .unwrap();
            if allowed.contains(&(from, to)) {
                outcome.unwrap();
                assert_eq!(state, to);
            } else {
                let error = outcome.unwrap_err();
                assert!(
                    matches!(
                        error,
                        SubscriptionError::Transition { .. } | SubscriptionError::None
                    ),
                    "{error}"
                );
                assert_eq!(state, from);
            }
        }
    }
}

#[test]
fn a_trial_lets_in_for_thirty_days_and_is_paid_for_or_over() {
    let service = with_plans();
    let hospital = service.hospital_row("NORTH");
    let shared = &mut service.shared();
    let require = |shared: &mut SharedContext, days: i64| {
        service_of::require_active(shared, hospital, day(days).date())
    };
    assert!(matches!(require(shared, 0), Err(SubscriptionError::None)));
    service_of::start_trial(shared, hospital, "standard", BillingCycle::Monthly, at(0)).unwrap();
    let again = service_of::start_trial(shared, hospital, "standard", BillingCycle::Monthly, at(0));
    assert!(matches!(
        again,
        Err(SubscriptionError::Exists {
            state: SubscriptionState::Trial
        })
    ));
    assert_eq!(require(shared, 0).unwrap().days_remaining(today()), 30);
    assert_eq!(
        require(shared, 29).unwrap().days_remaining(day(29).date()),
        1
    );
    assert!(matches!(
        require(shared, 30),
        Err(SubscriptionError::Inactive { .. })
    ));
    assert_eq!(
        current(&service, hospital).days_remaining(day(30).date()),
        0
    );

    // Paid on the second day: a month from there, by the calendar.
    let until = service_of::activate(shared, hospital, day(1)).unwrap();
    assert_eq!(until.to_string(), "2026-02-28");
    // Paid again before its end: one more, without losing a day.
    assert_eq!(
        service_of::activate(shared, hospital, day(20))
            .unwrap()
            .to_string(),
        "2026-03-31"
    );
    assert!(require(shared, 59).is_ok());
    assert!(require(shared, 60).is_err());
}

/// What was used of the days of grace was given away or paid for, depending on whether the daily job had run; and who paid
/// long after them was past due again at once.
#[test]
fn a_late_payment_pays_for_the_days_of_grace_and_for_none_after_them() {
    use SubscriptionState::{Active, PastDue};
    let service = with_plans();
    let shared = &mut service.shared();
    // Paid until 27 February, which is day 27; grace until day 41.
    for (number, (state, paid_on, until)) in [
        (Active, 27, "2026-03-27"),
        (Active, 30, "2026-03-27"),
        (PastDue, 30, "2026-03-27"),
        (PastDue, 41, "2026-03-27"),
        (Active, 42, "2026-04-13"),
        (PastDue, 42, "2026-04-13"),
        (PastDue, 300, "2026-12-26"),
    ]
    .into_iter()
    .enumerate()
    {
        let hospital = service.hospital_row(&format!("H{number}"));
        service_of::start_trial(shared, hospital, "basic", BillingCycle::Monthly, at(0)).unwrap();
        service_of::activate(shared, hospital, at(0)).unwrap();
        if state == PastDue {
            service_of::change_state(shared, hospital, PastDue, day(28)).unwrap();
        }
        let ends = service_of::activate(shared, hospital, day(paid_on)).unwrap();
        assert_eq!(ends.to_string(), until, "{state} on day {paid_on}");
        let present = current(&service, hospital);
        assert_eq!((present.state, present.ends_on), (Active, ends));
        assert!(service_of::require_active(shared, hospital, day(paid_on).date()).is_ok());
    }
}

#[test]
fn what_is_overdue_moves_one_step_a_day() {
    let service = with_plans();
    let shared = &mut service.shared();
    let (tried, paid) = (service.hospital_row("TRIED"), service.hospital_row("PAID"));
    for hospital in [tried, paid] {
        service_of::start_trial(shared, hospital, "basic", BillingCycle::Monthly, at(0)).unwrap();
    }
    service_of::activate(shared, paid, at(0)).unwrap(); // until 27 February
    let overdue =
        |shared: &mut SharedContext, days| service_of::end_overdue(shared, day(days)).unwrap();
    assert_eq!(overdue(shared, 27), 0);
    assert_eq!(overdue(shared, 28), 1);
    assert_eq!(current(&service, paid).state, SubscriptionState::PastDue);
    // Within the days of grace the hospital goes on working.
    assert!(service_of::require_active(shared, paid, day(41).date()).is_ok());
    assert!(service_of::require_active(shared, paid, day(42).date()).is_err());
    assert_eq!(overdue(shared, 30), 1);
    assert!(service_of::current(shared, tried).unwrap().is_none());
    assert_eq!(overdue(shared, 41), 0);
    assert_eq!(overdue(shared, 42), 1);
    assert!(service_of::current(shared, paid).unwrap().is_none());
    // A new one can be begun.
    service_of::order(shared, paid, "basic", BillingCycle::Yearly, day(43)).unwrap();
    assert_eq!(current(&service, paid).state, SubscriptionState::Pending);
    assert!(service_of::require_active(shared, paid, day(43).date()).is_err());
}

#[test]
fn a_module_that_is_not_switched_on_is_refused() {
    let service = with_plans();
    let shared = &mut service.shared();
    let hospital = service.hospital_row("NORTH");
    let require =
        |shared: &mut SharedContext, module| service_of::require_module(shared, hospital, module);
    assert!(matches!(
        require(shared, Module::Patients),
        Err(SubscriptionError::ModuleDisabled {
            module: Module::Patients
        })
    ));
    service_of::start_trial(shared, hospital, "basic", BillingCycle::Monthly, at(0)).unwrap();
    require(shared, Module::Patients).unwrap();
    let error = require(shared, Module::Surgery).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the module `surgery` is not part of the hospital's subscription"
    );
    let on = service_of::enabled_modules(shared, hospital).unwrap();
    assert_eq!(on, service_of::modules_of("basic"));
    service_of::set_modules(shared, hospital, &[Module::Surgery], at(1)).unwrap();
    require(shared, Module::Surgery).unwrap();
    assert!(require(shared, Module::Patients).is_err());
    // The largest plan has every module there is a table of.
    assert_eq!(service_of::modules_of("enterprise"), Module::ALL);
    assert!(ROUTES.iter().all(
        |route| route.scope() == ScopeKind::Shared || route.module().parse::<Module>().is_ok()
    ));
}

#[test]
fn the_limits_of_the_plan_are_kept_where_rows_are_made() {
    let service = with_plans();
    let hospital = service.hospital("NORTH");
    let shared = &mut service.shared();
    service_of::start_trial(shared, hospital, "basic", BillingCycle::Monthly, at(0)).unwrap();
    let few = PlanChanges {
        max_users: Some(Some(2)),
        max_patients: Some(Some(0)),
        max_doctors: Some(Some(0)),
        max_storage_mb: Some(Some(5)),
        ..Default::default()
    };
    diesel::update(plans::table.filter(plans::code.eq("basic")))
        .set(&few)
        .execute(shared)
        .unwrap();

    let mut make = |name: &str, role| {
        let new =
            NewAccount::new(name, "x", format!("{name}@example.org")).member_of(hospital, role);
        service.accounts.create(shared, &new, at(0))
    };
    make("ada", Role::Doctor).unwrap();
    let ben = make("ben", Role::Nurse).unwrap().user;
    let error = make("cyd", Role::Nurse).unwrap_err();
    assert!(
        matches!(&error, AccountError::Limit(reached) if (reached.what, reached.limit, reached.found) == (Limited::Users, 2, 2)),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "the hospital's plan allows 2 users, and it has 2; change the plan first"
    );
    // Patients with an account are patients, and one who is switched off makes room.
    make("dan", Role::Patient).unwrap();
    service
        .accounts
        .deactivate(&mut service.shared(), ben, at(1))
        .unwrap();
    make("cyd", Role::Nurse).unwrap();

    // Ben comes back when there is room again.
    let back = service.accounts.reactivate(shared, ben, at(2));
    assert!(matches!(back, Err(AccountError::Limit(_))), "{back:?}");

    let limits = service_of::limits(shared, hospital).unwrap();
    let tenant = &mut service.tenancy.tenant(&"NORTH".parse().unwrap()).unwrap();
    assert!(
        matches!(limits.check_patients(tenant), Err(SubscriptionError::Limit(reached)) if reached.what == Limited::Patients)
    );
    assert!(
        matches!(limits.check_doctors(tenant), Err(SubscriptionError::Limit(reached)) if reached.what == Limited::Doctors)
    );
    limits.check_bytes(4_999_999).unwrap();
    assert_eq!(
        limits.check_bytes(5_000_000).unwrap_err().what,
        Limited::Megabytes
    );

    // When the subscription is over, what it allowed is still all that is allowed.
    service_of::change_state(shared, hospital, SubscriptionState::Cancelled, at(3)).unwrap();
    assert!(service_of::current(shared, hospital).unwrap().is_none());
    assert_eq!(service_of::limits(shared, hospital).unwrap(), limits);
    let new = NewAccount::new("eve", "x", "eve@example.org").member_of(hospital, Role::Nurse);
    let one_more = service.accounts.create(shared, &new, at(3));
    assert!(
        matches!(one_more, Err(AccountError::Limit(_))),
        "{one_more:?}"
    );
}

/// Whoever switched patients off and on again had as many as they liked.
#[test]
fn a_patient_who_comes_back_needs_room_as_a_new_one_does() {
    let service = with_plans();
    let hospital = service.hospital("NORTH");
    let shared = &mut service.shared();
    service_of::start_trial(shared, hospital, "basic", BillingCycle::Monthly, at(0)).unwrap();
    let one = PlanChanges {
        max_patients: Some(Some(1)),
        ..Default::default()
    };
    diesel::update(plans::table.filter(plans::code.eq("basic")))
        .set(&one)
        .execute(shared)
        .unwrap();
    let (tenancy, id) = (&service.tenancy, "NORTH".parse().unwrap());
    let admissions = Admissions::new(service.accounts);
    let admit = |name: &str| {
        let patient = PatientDetails::named(name, "x", today(), Sex::Female);
        let admitted = admissions.admit(tenancy, &id, None, patient, AccountWanted::None, at(1));
        admitted.unwrap().patient
    };
    let switch_off = |patient| {
        let row = diesel::update(patients::table.find(patient));
        let off = row.set(patients::active.eq(false));
        off.execute(&mut tenancy.tenant(&id).unwrap()).unwrap();
    };
    let back = |patient| admissions.reactivate_patient(tenancy, &id, patient, at(2));
    let ada = admit("Ada");
    switch_off(ada);
    let ben = admit("Ben");
    let full = back(ada).unwrap_err();
    assert_eq!(full.limit().map(|it| it.what), Some(Limited::Patients));
    back(ben).unwrap();
    switch_off(ben);
    back(ada).unwrap();
    let active = patients::table.filter(patients::active.eq(true));
    let active = active
        .select(patients::id)
        .load::<Id<Patient>>(&mut tenancy.tenant(&id).unwrap());
    assert_eq!(active.unwrap(), [ada]);
    let unknown = back(Id::new()).unwrap_err();
    assert!(
        matches!(
            unknown,
            AdmissionError::Account(AccountError::UnknownRecord { .. })
        ),
        "{unknown:?}"
    );
    // Nor does anybody on a subscription that is over.
    service_of::change_state(shared, hospital, SubscriptionState::Suspended, at(3)).unwrap();
    let over = back(ben).unwrap_err();
    assert!(
        matches!(
            over,
            AdmissionError::Subscription(SubscriptionError::Inactive { .. })
        ),
        "{over:?}"
    );
}

#[test]
fn what_is_over_begun_tomorrow_or_somebody_elses_does_not_count() {
    let service = with_plans();
    let (north, south) = (service.hospital("NORTH"), service.hospital_row("SOUTH"));
    let (shared, accounts) = (&mut service.shared(), &service.accounts);
    let monthly = BillingCycle::Monthly;
    service_of::start_trial(shared, north, "basic", monthly, day(1)).unwrap();
    // Not before its first day.
    assert!(service_of::require_active(shared, north, day(0).date()).is_err());
    assert!(service_of::require_active(shared, north, day(1).date()).is_ok());
    // However late the daily job comes, the days of grace are first.
    service_of::activate(shared, north, day(1)).unwrap();
    assert_eq!(service_of::end_overdue(shared, day(200)).unwrap(), 1);
    assert_eq!(current(&service, north).state, SubscriptionState::PastDue);

    // Neither members of another hospital nor those who left use up the plan's users.
    let few = PlanChanges {
        max_users: Some(Some(1)),
        active: Some(false),
        ..Default::default()
    };
    diesel::update(plans::table.filter(plans::code.eq("basic")))
        .set(&few)
        .execute(shared)
        .unwrap();
    let make = |name: &str, hospital| {
        let new = NewAccount::new(name, "x", format!("{name}@example.org"));
        let made = accounts.create(
            &mut service.shared(),
            &new.member_of(hospital, Role::Nurse),
            at(0),
        );
        made.unwrap().user
    };
    make("sue", south);
    let ada = make("ada", north);
    // What a member is can be changed where there is no room for another.
    accounts
        .grant(shared, ada, north, Role::Doctor, at(1))
        .unwrap();
    accounts.reactivate(shared, ada, at(1)).unwrap();
    accounts.revoke_membership(shared, ada, north).unwrap();
    let ben = make("ben", north);
    // A patient who is to work there needs room as everybody else does.
    let pat = NewAccount::new("pat", "x", "pat@example.org").member_of(north, Role::Patient);
    let pat = accounts.create(shared, &pat, at(1)).unwrap().user;
    for stranger in [ada, pat] {
        let full = accounts.grant(shared, stranger, north, Role::Nurse, at(2));
        assert!(matches!(full, Err(AccountError::Limit(_))), "{full:?}");
    }
    accounts.revoke_membership(shared, ben, north).unwrap();
    accounts
        .grant(shared, pat, north, Role::Nurse, at(3))
        .unwrap();

    // A plan that was taken off the list stays with who has it, and is nobody's next.
    let gone = service_of::start_trial(shared, south, "basic", monthly, at(0));
    assert!(
        matches!(gone, Err(SubscriptionError::UnknownPlan)),
        "{gone:?}"
    );
}
