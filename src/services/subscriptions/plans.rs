//! Plans: what can be ordered, what it costs, and the modules that come with it.
use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::SubscriptionError;
use crate::context::{RunQueryDsl, SharedContext};
use crate::id::Id;
use crate::models::schema::shared::plans;
use crate::models::shared::subscriptions::{BillingCycle, NewPlan, Plan};
use crate::money::Money;
use crate::services::permissions::Module;

/// What a plan that comes with the program is.
struct StandardPlan {
    code: &'static str,
    name: &'static str,
    description: &'static str,
    monthly: Money,
    users: Option<i32>,
    doctors: Option<i32>,
    patients: Option<i32>,
    megabytes: Option<i64>,
}

/// The plans of the original system, with the limits it only told its customers about. A year costs ten months.
const STANDARD_PLANS: [StandardPlan; 4] = [
    StandardPlan {
        code: "basic",
        name: "Basic",
        description: "A practice: patients, appointments, billing and a pharmacy",
        monthly: Money(9_900),
        users: Some(10),
        doctors: Some(5),
        patients: Some(500),
        megabytes: Some(10_000),
    },
    StandardPlan {
        code: "standard",
        name: "Standard",
        description: "A clinic: with a laboratory, wards and stores",
        monthly: Money(19_900),
        users: Some(25),
        doctors: Some(15),
        patients: Some(1_000),
        megabytes: Some(50_000),
    },
    StandardPlan {
        code: "premium",
        name: "Premium",
        description: "A hospital: every module",
        monthly: Money(39_900),
        users: Some(50),
        doctors: Some(30),
        patients: Some(2_500),
        megabytes: Some(100_000),
    },
    StandardPlan {
        code: "enterprise",
        name: "Enterprise",
        description: "A group: every module and no limit on people",
        monthly: Money(79_900),
        users: None,
        doctors: None,
        patients: None,
        megabytes: Some(500_000),
    },
];

/// The modules that come with a plan; those of the largest for a plan that is not one of the standard ones.
#[must_use]
pub fn modules_of(plan: &str) -> Vec<Module> {
    use Module::{
        Analytics, Emergency, Hr, Inventory, Ipd, Laboratory, Radiology, Rooms, Surgery,
        Telemedicine,
    };
    let larger: &[Module] = match plan {
        "basic" => &[
            Analytics,
            Emergency,
            Hr,
            Inventory,
            Ipd,
            Laboratory,
            Radiology,
            Rooms,
            Surgery,
            Telemedicine,
        ],
        "standard" => &[Analytics, Radiology, Surgery, Telemedicine],
        _ => &[],
    };
    let all = Module::ALL.iter().copied();
    all.filter(|module| !larger.contains(module)).collect()
}

/// Makes the standard plans that are not there yet, and returns how many that were. What is there is left as it is:
/// prices may have been changed since.
///
/// # Errors
/// Diesel's.
pub fn ensure_plans(shared: &mut SharedContext, now: NaiveDateTime) -> QueryResult<usize> {
    let yearly = |plan: &StandardPlan| Money(plan.monthly.0 * 10);
    let rows: Vec<NewPlan<'_>> = STANDARD_PLANS
        .iter()
        .map(|plan| NewPlan {
            id: Id::<Plan>::new(),
            code: plan.code,
            name: plan.name,
            description: Some(plan.description),
            monthly_price: plan.monthly,
            yearly_price: yearly(plan),
            currency: "USD",
            max_users: plan.users,
            max_doctors: plan.doctors,
            max_patients: plan.patients,
            max_storage_mb: plan.megabytes,
            created_at: now,
        })
        .collect();
    shared.transaction(|shared| {
        let mut made = 0;
        for row in &rows {
            made += diesel::insert_into(plans::table)
                .values(row)
                .on_conflict(plans::code)
                .do_nothing()
                .execute(shared)?;
        }
        Ok(made)
    })
}

/// The plan of this code, if it can be ordered.
///
/// # Errors
/// [`SubscriptionError::UnknownPlan`]; [`SubscriptionError::Query`].
pub fn plan(shared: &mut SharedContext, code: &str) -> Result<Plan, SubscriptionError> {
    let plan = plans::table
        .filter(plans::code.eq(code))
        .filter(plans::active.eq(true));
    let plan = plan.select(Plan::as_select()).first(shared).optional()?;
    plan.ok_or(SubscriptionError::UnknownPlan)
}

pub(super) fn price(plan: &Plan, cycle: BillingCycle) -> Money {
    match cycle {
        BillingCycle::Monthly => plan.monthly_price,
        BillingCycle::Yearly => plan.yearly_price,
    }
}
