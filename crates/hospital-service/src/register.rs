//! A new hospital: its database, its business record, its owner's account, its trial.
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::hospitals;
use diesel_tenants::models::shared::accounts::{Hospital, NewHospital, Role};
use diesel_tenants::models::shared::subscriptions::BillingCycle;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, Accounts, MadeAccount, NewAccount};
use diesel_tenants::services::now;
use diesel_tenants::services::permissions::Module;
use diesel_tenants::services::subscriptions::{self, SubscriptionError};
use diesel_tenants::verify::{VerifyError, VerifyOptions};
use diesel_tenants::{CreateError, LifecycleError, OpenError, Retention};

/// What somebody who registers a hospital says.
#[derive(Debug, Clone, serde::Deserialize)]
#[non_exhaustive]
pub struct Registration {
    /// The hospital's code: its tenant id.
    pub code: String,
    /// Its name.
    pub name: String,
    /// The first label of its host name.
    pub subdomain: String,
    /// The owner's given name.
    pub given_name: String,
    /// The owner's family name.
    pub family_name: String,
    /// The owner's address.
    pub email: String,
}

impl Registration {
    /// What is said of a hospital, by somebody called Owner.
    #[must_use]
    pub fn of(code: &str, name: &str, subdomain: &str) -> Self {
        Self {
            code: code.to_owned(),
            name: name.to_owned(),
            subdomain: subdomain.to_owned(),
            given_name: "Olive".to_owned(),
            family_name: "Owner".to_owned(),
            email: format!("owner@{subdomain}.example"),
        }
    }
}

/// A hospital that was registered.
#[derive(Debug)]
#[non_exhaustive]
pub struct Registered {
    /// Its tenant id.
    pub id: TenantId,
    /// Its row.
    pub hospital: Id<Hospital>,
    /// Its owner's account, with the password that is shown once.
    pub owner: MadeAccount,
    /// What it may use.
    pub modules: Vec<Module>,
}

/// Why a hospital was not registered. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The code is none.
    #[error(transparent)]
    Code(#[from] diesel_tenants::TenantIdError),
    /// Its database was not made, for instance because there is a hospital of this code.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The owner's account was not made.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The trial was not begun.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// The shared database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The new database cannot be looked at.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// The shared database does not take it.
    #[error("the hospital cannot be written down")]
    Query(#[from] diesel::result::Error),
    /// Never returned: ends the transaction of the rehearsal.
    #[doc(hidden)]
    #[error("this was a rehearsal")]
    Rehearsed,
    /// The registration failed, and so did taking the database back that was made for it.
    #[error(
        "tenant `{id}` was made and could not be removed; remove it in the console, then register again"
    )]
    LeftOver {
        /// The tenant.
        id: TenantId,
        /// Why it could not be removed.
        #[source]
        source: Box<diesel_tenants::Error>,
    },
}

/// Registers a hospital, with a trial of the standard plan.
///
/// What goes into the shared database is tried first and rolled back, so that an address that is taken costs nobody a
/// database. Then the database is made, and then it is written down, in one transaction; should that fail all the same,
/// the database is taken back, and its code stays retired. A process that dies in between leaves a tenant without a
/// business record: nobody can log in there, and the console shows it.
///
/// # Errors
/// See [`RegisterError`].
pub fn register(tenancy: &Tenancy, asked: &Registration) -> Result<Registered, RegisterError> {
    let id: TenantId = asked.code.trim().parse()?;
    let new = NewTenant::named(asked.name.trim()).subdomain(asked.subdomain.trim());
    match write_down(tenancy, &id, asked, Write::Rehearsal) {
        Ok(_) | Err(RegisterError::Rehearsed) => {}
        // The library says it better: which hospital has the code or the subdomain.
        Err(RegisterError::Query(error)) if is_unique(&error) => {}
        Err(error) => return Err(error),
    }
    tenancy.create(&id, new.plan(PLAN))?;
    match write_down(tenancy, &id, asked, Write::InEarnest) {
        Ok(registered) => {
            tenancy.verify(&id, &VerifyOptions::default())?;
            Ok(registered)
        }
        Err(error) => {
            take_back(tenancy, &id).map_err(|source| RegisterError::LeftOver {
                id,
                source: Box::new(source),
            })?;
            Err(error)
        }
    }
}

const PLAN: &str = "standard";

#[derive(Clone, Copy, PartialEq)]
enum Write {
    Rehearsal,
    InEarnest,
}

fn is_unique(error: &diesel::result::Error) -> bool {
    use diesel::result::{DatabaseErrorKind, Error};
    matches!(
        error,
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)
    )
}

/// All that is in the shared database, in one transaction.
fn write_down(
    tenancy: &Tenancy,
    id: &TenantId,
    asked: &Registration,
    write: Write,
) -> Result<Registered, RegisterError> {
    let now = now();
    let subdomain = asked.subdomain.trim().to_lowercase();
    let row = NewHospital {
        id: Id::new(),
        code: id.as_str(),
        name: asked.name.trim(),
        subdomain: &subdomain,
        contact_name: None,
        email: asked.email.trim(),
        phone: None,
        address: None,
        city: None,
        country: None,
        website: None,
        time_zone: "UTC",
        currency: "USD",
        created_at: now,
    };
    let owner = NewAccount::new(&asked.given_name, &asked.family_name, &asked.email)
        .member_of(row.id, Role::HospitalAdmin);
    tenancy.shared()?.transaction(|shared| {
        subscriptions::ensure_plans(shared, now)?;
        diesel::insert_into(hospitals::table)
            .values(&row)
            .execute(shared)?;
        subscriptions::start_trial(shared, row.id, PLAN, BillingCycle::Monthly, now)?;
        let owner = Accounts::default().create(shared, &owner, now)?;
        let registered = Registered {
            id: *id,
            hospital: row.id,
            owner,
            modules: subscriptions::enabled_modules(shared, row.id)?,
        };
        match write {
            Write::InEarnest => Ok(registered),
            // An error is what rolls back.
            Write::Rehearsal => Err(RegisterError::Rehearsed),
        }
    })
}

/// Removes the database that was made a moment ago and that nobody has used.
fn take_back(tenancy: &Tenancy, id: &TenantId) -> Result<(), diesel_tenants::Error> {
    let closed: Result<(), LifecycleError> = tenancy.suspend(id).and_then(|()| tenancy.archive(id));
    closed?;
    tenancy.delete(id, id.as_str(), Retention::NONE)?;
    tenancy.purge(id, id.as_str())?;
    Ok(())
}
