//! What a hospital pays for: plans, subscriptions and their states, limits, and the modules that are switched on.
//!
//! What is done to a subscription is entered into the [audit log](crate::audit) in the same transaction, as `subscription.…`.
use chrono::{Days, Months, NaiveDate, NaiveDateTime};
use diesel::prelude::*;

use crate::context::{RunQueryDsl, SharedContext};
use crate::id::Id;
use crate::models::schema::shared::{hospital_modules, hospitals, subscriptions};
use crate::models::shared::accounts::Hospital;
use crate::models::shared::subscriptions::{
    BillingCycle, NewHospitalModule, NewSubscription, Plan, Subscription, SubscriptionState,
};
use crate::services::permissions::Module;

mod entries;
mod limits;
mod plans;

pub use self::limits::{LimitReached, Limited, Limits, limits};
pub(super) use self::limits::{check_users, plan_in_force};
use self::plans::price;
pub use self::plans::{ensure_plans, modules_of, plan};

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
    /// The hospital is closed: [`reopen`](super::onboarding::reopen) opens it again, on a plan.
    #[error("the hospital is closed; open it again, which puts it on a plan")]
    HospitalClosed,
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
/// [`SubscriptionError::Exists`], [`SubscriptionError::HospitalClosed`], [`SubscriptionError::UnknownPlan`];
/// [`SubscriptionError::Query`].
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
        refuse_second(shared, hospital)?;
        let closed_at = hospitals::table.find(hospital).select(hospitals::closed_at);
        let closed_at = closed_at
            .first::<Option<NaiveDateTime>>(shared)
            .optional()?;
        if closed_at.flatten().is_some() {
            return Err(SubscriptionError::HospitalClosed);
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
        switch_modules(shared, hospital, &modules_of(&plan.code), now)?;
        let note = entries::about(entries::STARTED, hospital);
        let note = note.with("plan", plan.code.as_str());
        shared.audit(&note.with("state", state.to_string()))?;
        Ok(id)
    })
}

pub(super) fn refuse_second(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
) -> Result<(), SubscriptionError> {
    match current(shared, hospital)? {
        Some(present) => Err(SubscriptionError::Exists {
            state: present.state,
        }),
        None => Ok(()),
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

/// Puts the hospital's current subscription on another plan, from now on: its price, its modules, its limits. What was
/// paid stays paid, and the new price is that of the next cycle. A hospital that has more of something already than the
/// new plan allows keeps what it has.
///
/// This is the rows alone. [`onboarding::change_plan`](super::onboarding::change_plan) does it with what the storage
/// limit means for the hospital's database.
///
/// # Errors
/// [`SubscriptionError::None`], [`SubscriptionError::UnknownPlan`]; [`SubscriptionError::Query`].
pub fn change_plan(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    plan_code: &str,
    cycle: BillingCycle,
    now: NaiveDateTime,
) -> Result<Plan, SubscriptionError> {
    shared.transaction(|shared| {
        let present = current(shared, hospital)?.ok_or(SubscriptionError::None)?;
        let plan = plan(shared, plan_code)?;
        diesel::update(subscriptions::table.find(present.id))
            .set((
                subscriptions::plan_id.eq(plan.id),
                subscriptions::billing_cycle.eq(cycle),
                subscriptions::price.eq(price(&plan, cycle)),
                subscriptions::currency.eq(&plan.currency),
                subscriptions::updated_at.eq(now),
            ))
            .execute(shared)?;
        switch_modules(shared, hospital, &modules_of(&plan.code), now)?;
        let note = entries::about(entries::PLAN, hospital);
        shared.audit(&note.with("plan", plan.code.as_str()))?;
        Ok(plan)
    })
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
        Ok(shared.audit(&entries::moved(hospital, present.state, to))?)
    })
}

/// Notes a payment: the subscription is active for one more cycle. From the day after its end where it still lets the
/// hospital in, or did within the last [`GRACE_DAYS`] days: what was used of those is paid for, whether or not
/// [`end_overdue`] has moved it to past due since. From today where it was only tried, ordered or suspended, or ended before
/// that. A suspension ends what was paid for: days that were left of it are not given back.
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
            SubscriptionState::Active | SubscriptionState::PastDue
                if today <= after(present.ends_on, GRACE_DAYS) =>
            {
                after(present.ends_on, 1)
            }
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
        let note = entries::about(entries::PAID, hospital);
        shared.audit(&note.with("until", ends_on.to_string()))?;
        Ok(ends_on)
    })
}

/// Moves every subscription whose time has passed: trials end, paid ones are past due, those past due beyond the days
/// of grace end. Returns how many; meant for a daily job. Each is entered into the audit log as the housekeeping's doing.
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
            let whose = over.select(subscriptions::hospital_id);
            let whose: Vec<Id<Hospital>> = whose.load(shared)?;
            moved += diesel::update(over)
                .set((
                    subscriptions::state.eq(to),
                    subscriptions::updated_at.eq(now),
                ))
                .execute(shared)?;
            for hospital in whose {
                let note = entries::moved(hospital, from, to);
                shared.audit_as(&entries::housekeeping(), &note)?;
            }
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
        switch_modules(shared, hospital, modules, now)?;
        shared.audit(&entries::switched(hospital, modules))
    })
}

fn switch_modules(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    modules: &[Module],
    now: NaiveDateTime,
) -> QueryResult<()> {
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
}
