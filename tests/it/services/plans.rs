//! What a hospital's plan means for its database, whoever changes one of the two.
use diesel_tenants::models::schema::shared::plans;
use diesel_tenants::models::shared::subscriptions::{BillingCycle, PlanChanges, SubscriptionState};
use diesel_tenants::prelude::*;
use diesel_tenants::services::now;
use diesel_tenants::services::onboarding::{OnboardingError, clear_quota, order};
use diesel_tenants::services::subscriptions::{self, SubscriptionError};

use super::onboarding::{CODE, ask, asked, id, settled, with_plans};

const MB: u64 = 1_000_000;

fn store(shared: &mut SharedContext, plan: &str, megabytes: Option<i64>) {
    let changes = PlanChanges {
        max_storage_mb: Some(megabytes),
        ..Default::default()
    };
    diesel::update(plans::table.filter(plans::code.eq(plan)))
        .set(&changes)
        .execute(shared)
        .unwrap();
}

fn quota(tenancy: &Tenancy) -> Option<u64> {
    tenancy.usage(&id()).unwrap().quota
}

#[test]
fn who_comes_back_gets_what_the_new_plan_allows() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    let shared = &mut service.shared();
    store(shared, "basic", Some(3));
    store(shared, "premium", Some(9));
    let mut wanted = asked(CODE);
    wanted.plan = "premium".to_owned();
    let made = ask(tenancy, None, &wanted).unwrap();
    assert_eq!(quota(tenancy), Some(9 * MB));
    let again = order(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap_err();
    let exists = SubscriptionError::Exists {
        state: SubscriptionState::Trial,
    };
    assert_eq!(again.to_string(), OnboardingError::from(exists).to_string());

    subscriptions::change_state(shared, made.hospital, SubscriptionState::Expired, now()).unwrap();
    order(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
    settled(tenancy);
    let present = subscriptions::current(shared, made.hospital).unwrap();
    assert_eq!(present.unwrap().state, SubscriptionState::Pending);
    assert_eq!(quota(tenancy), Some(3 * MB));
    let record = tenancy.handle(&id()).unwrap().record().unwrap();
    assert_eq!(record.plan.as_deref(), Some("basic"));
}

#[test]
fn a_quota_that_is_taken_back_leaves_that_of_the_plan() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    let shared = &mut service.shared();
    store(shared, "basic", Some(3));
    let mut wanted = asked(CODE);
    wanted.plan = "basic".to_owned();
    let made = ask(tenancy, None, &wanted).unwrap();
    tenancy.set_quota(&id(), Some(50 * MB)).unwrap();
    assert_eq!(clear_quota(tenancy, &id()).unwrap(), Some(3 * MB));
    assert_eq!(quota(tenancy), Some(3 * MB));
    // The limits of the last plan go on when it is over.
    subscriptions::change_state(shared, made.hospital, SubscriptionState::Expired, now()).unwrap();
    tenancy.set_quota(&id(), Some(50 * MB)).unwrap();
    assert_eq!(clear_quota(tenancy, &id()).unwrap(), Some(3 * MB));
    assert_eq!(quota(tenancy), Some(3 * MB));
    assert_eq!(
        subscriptions::limits(shared, made.hospital)
            .unwrap()
            .bytes(),
        Some(3 * MB)
    );
}
