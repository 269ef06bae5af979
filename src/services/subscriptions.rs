//! What a hospital pays for: plans, subscriptions and their states, limits, and the modules that are switched on.
use chrono::{Days, Months, NaiveDate, NaiveDateTime};
use diesel::prelude::*;

use crate::context::{RunQueryDsl, SharedContext, TenantContext};
use crate::id::Id;
use crate::models::schema::shared::{hospital_modules, plans, subscriptions, tenant_access, users};
use crate::models::schema::tenant::{doctors, patients};
use crate::models::shared::accounts::{Hospital, Role};
use crate::models::shared::subscriptions::{
    BillingCycle, NewHospitalModule, NewPlan, NewSubscription, Plan, Subscription,
    SubscriptionState,
};
use crate::money::Money;
use crate::services::permissions::Module;

/// Days a new customer may try the program for nothing.
pub const TRIAL_DAYS: u64 = 30;
/// Days after its end in which a subscription with a late payment still lets its hospital in.
pub const GRACE_DAYS: u64 = 14;

/// Why a subscription does not allow something, or could not be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// There is no plan of this code that can be ordered.
    #[error(
        "there is no plan of this code that can be ordered; `ensure_plans` makes the standard ones"
    )]
    UnknownPlan,
    /// The hospital has no subscription that is not over.
    #[error("the hospital has no subscription; subscribe it to a plan")]
    None,
    /// It has one already.
    #[error("the hospital has a subscription that is {state}; change or cancel that one")]
    Exists {
        /// Where that one stands.
        state: SubscriptionState,
    },
    /// A state cannot become another.
    #[error("a subscription that is {from} cannot become {to}")]
    Transition {
        /// Where it stands.
        from: SubscriptionState,
        /// Where it was to go.
        to: SubscriptionState,
    },
    /// It does not let the hospital in.
    #[error("the subscription is {state} and ended on {ended}; renew it")]
    Inactive {
        /// Where it stands.
        state: SubscriptionState,
        /// Its last day.
        ended: NaiveDate,
    },
    /// The module is not switched on.
    #[error("the module `{module}` is not part of the hospital's subscription")]
    ModuleDisabled {
        /// The module.
        module: Module,
    },
    /// A limit of the plan.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// A statement failed.
    #[error("the subscriptions cannot be read or changed")]
    Query(#[from] diesel::result::Error),
}

/// A limit of the hospital's plan is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hospital's plan allows {limit} {what}, and it has {found}; change the plan first")]
#[non_exhaustive]
pub struct LimitReached {
    /// What there may be no more of.
    pub what: Limited,
    /// How many the plan allows.
    pub limit: i64,
    /// How many there are.
    pub found: i64,
}

/// What a plan limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limited {
    /// Members who are not patients.
    Users,
    /// Doctors.
    Doctors,
    /// Patients whose record is in use.
    Patients,
    /// Megabytes.
    Megabytes,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Users => "users",
            Self::Doctors => "doctors",
            Self::Patients => "patients",
            Self::Megabytes => "megabytes",
        })
    }
}

impl SubscriptionState {
    /// Whether a subscription may go from this state to `next`.
    ///
    /// ```text
    /// trial ─┬→ active ⇄ past_due          any of them → suspended → active
    /// pending┘                             any of them → cancelled, expired: the end
    /// ```
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        use SubscriptionState::{Active, Cancelled, Expired, PastDue, Pending, Suspended, Trial};
        match (self, next) {
            (Cancelled | Expired, _) => false,
            (_, Cancelled | Expired) => true,
            (Trial | Pending | PastDue | Suspended, Active) => true,
            (Trial, Pending) | (Active, PastDue) => true,
            (Trial | Active | PastDue, Suspended) => true,
            _ => false,
        }
    }
}

impl Subscription {
    /// The last day on which it lets the hospital in, where its state does at all.
    #[must_use]
    pub fn last_day(&self) -> Option<NaiveDate> {
        match self.state {
            SubscriptionState::Trial => Some(self.trial_ends_on.unwrap_or(self.ends_on)),
            SubscriptionState::Active => Some(self.ends_on),
            SubscriptionState::PastDue => Some(after(self.ends_on, GRACE_DAYS)),
            _ => None,
        }
    }

    /// Whether it lets the hospital in today.
    #[must_use]
    pub fn is_good(&self, today: NaiveDate) -> bool {
        today >= self.starts_on && self.last_day().is_some_and(|last| today <= last)
    }

    /// Days left, today included; 0 where it does not let the hospital in.
    #[must_use]
    pub fn days_remaining(&self, today: NaiveDate) -> i64 {
        match self.last_day() {
            Some(last) if self.is_good(today) => (last - today).num_days() + 1,
            _ => 0,
        }
    }
}

fn after(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days))
        .unwrap_or(NaiveDate::MAX)
}

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

/// The hospital's subscription that is not over, if there is one.
///
/// # Errors
/// Diesel's.
pub fn current(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> QueryResult<Option<Subscription>> {
    let over = [SubscriptionState::Cancelled, SubscriptionState::Expired];
    subscriptions::table
        .filter(subscriptions::hospital_id.eq(hospital))
        .filter(subscriptions::state.ne_all(over))
        .select(Subscription::as_select())
        .first(shared)
        .optional()
}

/// Lets a hospital try a plan for [`TRIAL_DAYS`] days, and switches the plan's modules on.
///
/// # Errors
/// [`SubscriptionError::Exists`], [`SubscriptionError::UnknownPlan`]; [`SubscriptionError::Query`].
pub fn start_trial(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    plan_code: &str,
    cycle: BillingCycle,
    now: NaiveDateTime,
) -> Result<Id<Subscription>, SubscriptionError> {
    let today = now.date();
    let last = after(today, TRIAL_DAYS - 1);
    let state = SubscriptionState::Trial;
    subscribe(
        shared,
        hospital,
        plan_code,
        cycle,
        state,
        Some(last),
        last,
        now,
    )
}

/// Orders a plan for a hospital: a subscription that is pending until it is [`activate`]d, and the plan's modules.
///
/// # Errors
/// As [`start_trial`].
pub fn order(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    plan_code: &str,
    cycle: BillingCycle,
    now: NaiveDateTime,
) -> Result<Id<Subscription>, SubscriptionError> {
    let last = last_of_cycle(now.date(), cycle);
    let state = SubscriptionState::Pending;
    subscribe(shared, hospital, plan_code, cycle, state, None, last, now)
}

#[expect(clippy::too_many_arguments, reason = "two short callers, right above")]
fn subscribe(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    plan_code: &str,
    cycle: BillingCycle,
    state: SubscriptionState,
    trial_ends_on: Option<NaiveDate>,
    ends_on: NaiveDate,
    now: NaiveDateTime,
) -> Result<Id<Subscription>, SubscriptionError> {
    shared.transaction(|shared| {
        if let Some(present) = current(shared, hospital)? {
            return Err(SubscriptionError::Exists {
                state: present.state,
            });
        }
        let plan = plan(shared, plan_code)?;
        let id = Id::new();
        let row = NewSubscription {
            id,
            hospital_id: hospital,
            plan_id: plan.id,
            state,
            billing_cycle: cycle,
            price: price(&plan, cycle),
            currency: &plan.currency,
            auto_renew: true,
            starts_on: now.date(),
            ends_on,
            trial_ends_on,
            created_at: now,
        };
        diesel::insert_into(subscriptions::table)
            .values(&row)
            .execute(shared)?;
        set_modules(shared, hospital, &modules_of(&plan.code), now)?;
        Ok(id)
    })
}

fn price(plan: &Plan, cycle: BillingCycle) -> Money {
    match cycle {
        BillingCycle::Monthly => plan.monthly_price,
        BillingCycle::Yearly => plan.yearly_price,
    }
}

/// A month and a year are the calendar's, not 30 and 365 days.
fn last_of_cycle(first: NaiveDate, cycle: BillingCycle) -> NaiveDate {
    let months = match cycle {
        BillingCycle::Monthly => 1,
        BillingCycle::Yearly => 12,
    };
    let next = first.checked_add_months(Months::new(months));
    next.and_then(|day| day.pred_opt())
        .unwrap_or(NaiveDate::MAX)
}

/// Changes the state of the hospital's current subscription, if it may.
///
/// # Errors
/// [`SubscriptionError::None`], [`SubscriptionError::Transition`]; [`SubscriptionError::Query`].
pub fn change_state(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    to: SubscriptionState,
    now: NaiveDateTime,
) -> Result<(), SubscriptionError> {
    shared.transaction(|shared| {
        let present = current(shared, hospital)?.ok_or(SubscriptionError::None)?;
        if !present.state.may_become(to) {
            return Err(SubscriptionError::Transition {
                from: present.state,
                to,
            });
        }
        diesel::update(subscriptions::table.find(present.id))
            .set((
                subscriptions::state.eq(to),
                subscriptions::updated_at.eq(now),
            ))
            .execute(shared)?;
        Ok(())
    })
}

/// Notes a payment: the subscription is active for one more cycle, from the day after its end or, where that has passed
/// or it was only tried or ordered, from today.
///
/// # Errors
/// As [`change_state`].
pub fn activate(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    now: NaiveDateTime,
) -> Result<NaiveDate, SubscriptionError> {
    shared.transaction(|shared| {
        let present = current(shared, hospital)?.ok_or(SubscriptionError::None)?;
        let (from, to) = (present.state, SubscriptionState::Active);
        if from != to && !from.may_become(to) {
            return Err(SubscriptionError::Transition { from, to });
        }
        let today = now.date();
        let first = match from {
            SubscriptionState::Active | SubscriptionState::PastDue if present.ends_on >= today => {
                after(present.ends_on, 1)
            }
            SubscriptionState::PastDue => after(present.ends_on, 1),
            _ => today,
        };
        let ends_on = last_of_cycle(first, present.billing_cycle);
        diesel::update(subscriptions::table.find(present.id))
            .set((
                subscriptions::state.eq(to),
                subscriptions::ends_on.eq(ends_on),
                subscriptions::updated_at.eq(now),
            ))
            .execute(shared)?;
        Ok(ends_on)
    })
}

/// Moves every subscription whose time has passed: trials end, paid ones are past due, those past due beyond the days
/// of grace end. Returns how many; meant for a daily job.
///
/// # Errors
/// Diesel's.
pub fn end_overdue(shared: &mut SharedContext, now: NaiveDateTime) -> QueryResult<usize> {
    use SubscriptionState::{Active, Expired, PastDue, Trial};
    let today = now.date();
    let grace = today
        .checked_sub_days(Days::new(GRACE_DAYS))
        .unwrap_or(NaiveDate::MIN);
    shared.transaction(|shared| {
        let mut moved = 0;
        // The last first, so that none makes two steps in one run.
        for (from, ended_before, to) in [
            (PastDue, grace, Expired),
            (Trial, today, Expired),
            (Active, today, PastDue),
        ] {
            let over = subscriptions::table
                .filter(subscriptions::state.eq(from))
                .filter(subscriptions::ends_on.lt(ended_before));
            moved += diesel::update(over)
                .set((
                    subscriptions::state.eq(to),
                    subscriptions::updated_at.eq(now),
                ))
                .execute(shared)?;
        }
        Ok(moved)
    })
}

/// The hospital's subscription, if it lets the hospital in today: the guard in front of a hospital's pages.
///
/// # Errors
/// [`SubscriptionError::None`], [`SubscriptionError::Inactive`]; [`SubscriptionError::Query`].
pub fn require_active(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    today: NaiveDate,
) -> Result<Subscription, SubscriptionError> {
    let present = current(shared, hospital)?.ok_or(SubscriptionError::None)?;
    match present.is_good(today) {
        true => Ok(present),
        false => Err(SubscriptionError::Inactive {
            state: present.state,
            ended: present.ends_on,
        }),
    }
}

/// Refuses where a module is not switched on for the hospital. A module without a row is off.
///
/// # Errors
/// [`SubscriptionError::ModuleDisabled`]; [`SubscriptionError::Query`].
pub fn require_module(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    module: Module,
) -> Result<(), SubscriptionError> {
    let enabled = hospital_modules::table
        .find((hospital, module.as_str()))
        .select(hospital_modules::enabled);
    match enabled.first::<bool>(shared).optional()? {
        Some(true) => Ok(()),
        _ => Err(SubscriptionError::ModuleDisabled { module }),
    }
}

/// The modules that are switched on, in the order of their names.
///
/// # Errors
/// Diesel's; a row that names no module of this program is passed over.
pub fn enabled_modules(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> QueryResult<Vec<Module>> {
    let names: Vec<String> = hospital_modules::table
        .filter(hospital_modules::hospital_id.eq(hospital))
        .filter(hospital_modules::enabled.eq(true))
        .order(hospital_modules::module)
        .select(hospital_modules::module)
        .load(shared)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Switches exactly these modules on, and every other off.
///
/// # Errors
/// Diesel's.
pub fn set_modules(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    modules: &[Module],
    now: NaiveDateTime,
) -> QueryResult<()> {
    shared.transaction(|shared| {
        for module in Module::ALL {
            let enabled = modules.contains(module);
            let row = NewHospitalModule {
                hospital_id: hospital,
                module: module.as_str(),
                enabled,
            };
            diesel::insert_into(hospital_modules::table)
                .values(&row)
                .on_conflict((hospital_modules::hospital_id, hospital_modules::module))
                .do_update()
                .set((
                    hospital_modules::enabled.eq(enabled),
                    hospital_modules::updated_at.eq(now),
                ))
                .execute(shared)?;
        }
        Ok(())
    })
}

/// What the hospital's plan allows; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// Members who are not patients.
    pub users: Option<i64>,
    /// Doctors.
    pub doctors: Option<i64>,
    /// Patients whose record is in use.
    pub patients: Option<i64>,
    /// Megabytes of 1,000,000 bytes.
    pub megabytes: Option<i64>,
}

impl Limits {
    /// Refuses where one more patient would be too many. Ask in the transaction that makes the patient.
    ///
    /// # Errors
    /// [`SubscriptionError::Limit`]; [`SubscriptionError::Query`].
    pub fn check_patients(&self, tenant: &mut TenantContext) -> Result<(), SubscriptionError> {
        let Some(limit) = self.patients else {
            return Ok(());
        };
        let found = patients::table
            .filter(patients::active.eq(true))
            .count()
            .get_result(tenant)?;
        Ok(room(Limited::Patients, limit, found)?)
    }

    /// Refuses where one more doctor would be too many. Ask in the transaction that makes the doctor.
    ///
    /// # Errors
    /// [`SubscriptionError::Limit`]; [`SubscriptionError::Query`].
    pub fn check_doctors(&self, tenant: &mut TenantContext) -> Result<(), SubscriptionError> {
        let Some(limit) = self.doctors else {
            return Ok(());
        };
        let found = doctors::table.count().get_result(tenant)?;
        Ok(room(Limited::Doctors, limit, found)?)
    }

    /// Refuses where the hospital's database has as many bytes as the plan allows.
    ///
    /// # Errors
    /// [`LimitReached`].
    pub fn check_bytes(&self, bytes: u64) -> Result<(), LimitReached> {
        let Some(limit) = self.megabytes else {
            return Ok(());
        };
        let found = i64::try_from(bytes / 1_000_000).unwrap_or(i64::MAX);
        room(Limited::Megabytes, limit, found)
    }
}

/// The limits of the hospital's current plan. A hospital without a subscription has none: whether it may be used at all
/// is for [`require_active`] to say.
///
/// # Errors
/// Diesel's.
pub fn limits(shared: &mut SharedContext, hospital: Id<Hospital>) -> QueryResult<Limits> {
    let Some(present) = current(shared, hospital)? else {
        return Ok(Limits::default());
    };
    let plan = plans::table
        .find(present.plan_id)
        .select(Plan::as_select())
        .first(shared)?;
    Ok(Limits {
        users: plan.max_users.map(i64::from),
        doctors: plan.max_doctors.map(i64::from),
        patients: plan.max_patients.map(i64::from),
        megabytes: plan.max_storage_mb,
    })
}

/// Refuses where one more member would be too many. Asked in the transaction that makes the membership.
pub(super) fn check_users<E>(shared: &mut SharedContext, hospital: Id<Hospital>) -> Result<(), E>
where
    E: From<LimitReached> + From<diesel::result::Error>,
{
    let Some(limit) = limits(shared, hospital)?.users else {
        return Ok(());
    };
    let found = tenant_access::table
        .inner_join(users::table)
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::active.eq(true))
        .filter(tenant_access::role.ne(Role::Patient))
        .filter(users::active.eq(true))
        .count()
        .get_result(shared)?;
    Ok(room(Limited::Users, limit, found)?)
}

fn room(what: Limited, limit: i64, found: i64) -> Result<(), LimitReached> {
    match found < limit {
        true => Ok(()),
        false => Err(LimitReached { what, limit, found }),
    }
}
