//! What a tenant has ordered, and how much of it it uses. Where that stands is the application's business.
use std::error::Error;

use diesel_tenants::audit::AuditNote;
use diesel_tenants::backend::TenantKey;
use diesel_tenants::models::schema::shared::{plans, tenant_access, users};
use diesel_tenants::models::schema::tenant::{doctors, patients};
use diesel_tenants::models::shared::accounts::Role;
use diesel_tenants::models::shared::subscriptions::Subscription as Present;
use diesel_tenants::prelude::*;
use diesel_tenants::services::{hospitals, now, subscriptions};
use diesel_tenants::{Tenancy, TenantRecord};

/// What the console shows of a tenant's subscription.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Subscription {
    /// What was ordered.
    pub plan: String,
    /// Where it stands: `trial`, `active`, `past due`.
    pub state: String,
    /// Whether it lets the tenant in today.
    pub is_good: bool,
    /// The last day on which it does, as it is to be shown.
    pub last_day: Option<String>,
    /// Days left, today included.
    pub days_left: Option<i64>,
    /// What the plan limits.
    pub limits: Vec<Limit>,
}

impl Subscription {
    /// A subscription to a plan, in a state.
    pub fn new(plan: impl Into<String>, state: impl Into<String>, is_good: bool) -> Self {
        Self {
            plan: plan.into(),
            state: state.into(),
            is_good,
            ..Self::default()
        }
    }
}

/// How much there may be of something, and how much there is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limit {
    /// Of what: `patients`.
    pub what: String,
    /// How much there is; `None` where that is not known now.
    pub used: Option<u64>,
    /// How much there may be; `None` is no limit.
    pub most: Option<u64>,
}

impl Limit {
    /// How much there is of something and may be.
    pub fn new(what: impl Into<String>, used: Option<u64>, most: Option<u64>) -> Self {
        let what = what.into();
        Self { what, used, most }
    }
}

/// Where the console finds out what a tenant has ordered. A closure will do.
///
/// Called when a tenant's page is made, on the blocking pool.
pub trait Subscriptions: Send + Sync + 'static {
    /// The tenant's subscription; `None` where it has none.
    ///
    /// # Errors
    /// Whatever is in the way: it stands on the tenant's page, which is shown all the same. It must hold no data of the
    /// tenant.
    fn of(
        &self,
        tenancy: &Tenancy,
        tenant: &TenantRecord,
    ) -> Result<Option<Subscription>, Box<dyn Error + Send + Sync>>;
}

impl<F> Subscriptions for F
where
    F: Fn(&Tenancy, &TenantRecord) -> Result<Option<Subscription>, Box<dyn Error + Send + Sync>>
        + Send
        + Sync
        + 'static,
{
    fn of(
        &self,
        tenancy: &Tenancy,
        tenant: &TenantRecord,
    ) -> Result<Option<Subscription>, Box<dyn Error + Send + Sync>> {
        self(tenancy, tenant)
    }
}

/// The subscriptions of the [hospital's services](diesel_tenants::services::subscriptions): the default.
///
/// Of a tenant that is in use it counts doctors and patients, in its database; it reads no row. That it was opened for this
/// is entered into the audit log first, as `console.count`; where it cannot be, nothing is counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct HospitalSubscriptions;

impl Subscriptions for HospitalSubscriptions {
    fn of(
        &self,
        tenancy: &Tenancy,
        tenant: &TenantRecord,
    ) -> Result<Option<Subscription>, Box<dyn Error + Send + Sync>> {
        let Some(ordered) = ordered(tenancy, tenant)? else {
            return Ok(None);
        };
        let Ordered {
            plan,
            present,
            limits,
            members,
        } = ordered;
        // One that is suspended, or cannot be opened, has a page all the same.
        let key = TenantKey {
            id: tenant.id,
            uuid: tenant.uuid,
        };
        let inside = match tenancy.tenant(&tenant.id) {
            Ok(mut tenant) => {
                // Entered as an opening in a privileged role is: before anything is counted.
                let opened = AuditNote::of_sister("console.count").about(key);
                let opened = opened.generation(tenant.generation());
                tenancy.audit(&opened)?;
                let treated = patients::table.filter(patients::active.eq(true)).count();
                let treated: i64 = treated.get_result(&mut tenant)?;
                let doctors: i64 = doctors::table.count().get_result(&mut tenant)?;
                Some((doctors, treated))
            }
            Err(_) => None,
        };
        let bytes = tenancy.usage(&tenant.id).ok().map(|usage| usage.bytes);
        let number = |n: i64| u64::try_from(n).ok();
        let limit = |what: &str, used: Option<u64>, most: Option<i64>| {
            Limit::new(what, used, most.and_then(number))
        };
        let (doctors, treated) = inside.unzip();
        let today = now().date();
        Ok(Some(Subscription {
            plan,
            state: present.state.as_str().replace('_', " "),
            is_good: present.is_good(today),
            last_day: present.last_day().map(|day| day.to_string()),
            days_left: Some(present.days_remaining(today)),
            limits: vec![
                limit("users", number(members), limits.users),
                limit("doctors", doctors.and_then(number), limits.doctors),
                limit("patients", treated.and_then(number), limits.patients),
                limit(
                    "megabytes",
                    bytes.map(|bytes| bytes / 1_000_000),
                    limits.megabytes,
                ),
            ],
        }))
    }
}

/// What the shared database knows of it.
struct Ordered {
    plan: String,
    present: Present,
    limits: subscriptions::Limits,
    members: i64,
}

/// Asked for by itself: nobody waits for a tenant's connection while they keep one of the shared database, which everybody
/// waits for.
fn ordered(
    tenancy: &Tenancy,
    tenant: &TenantRecord,
) -> Result<Option<Ordered>, Box<dyn Error + Send + Sync>> {
    let hospital = hospitals::of_tenant(&mut tenancy.shared()?, tenant.uuid)?;
    let Some(hospital) = hospital else {
        return match hospitals::astray(tenancy)?.into_iter().find(|it| it.candidate == Some(tenant.id)) {
            Some(astray) => Err(format!(
                "the hospital of the code `{}` is no tenant, and may be this one; look into it, then say so by `bind-hospital`",
                astray.code
            ).into()),
            None => Ok(None),
        };
    };
    let shared = &mut tenancy.shared()?;
    let Some(present) = subscriptions::current(shared, hospital)? else {
        return Ok(None);
    };
    let plan = plans::table.find(present.plan_id).select(plans::name);
    let plan: String = plan.first(shared)?;
    let limits = subscriptions::limits(shared, hospital)?;
    let members: i64 = tenant_access::table
        .inner_join(users::table)
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::active.eq(true))
        .filter(tenant_access::role.ne(Role::Patient))
        .filter(users::active.eq(true))
        .count()
        .get_result(shared)?;
    Ok(Some(Ordered {
        plan,
        present,
        limits,
        members,
    }))
}
