//! A hospital is registered: its row, its owner's account, its trial, its database.
use std::fmt;

use chrono::{NaiveDate, NaiveDateTime};
use diesel::dsl::exists;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::OnboardingError;
use crate::context::{RunQueryDsl, SharedContext};
use crate::display_name::DisplayName;
use crate::id::Id;
use crate::models::schema::shared::{
    contract_acceptances, hospital_modules, hospitals, plans, sessions, subscriptions, users,
};
use crate::models::shared::accounts::{Hospital, NewHospital, Role, User};
use crate::models::shared::subscriptions::{BillingCycle, Subscription};
use crate::provision::NewTenant;
use crate::services::accounts::{
    AccountError, Accounts, NewAccount, OneTimePassword, making, membership,
};
use crate::services::hospitals as hospitals_service;
use crate::services::permissions::Module;
use crate::services::subscriptions as service;
use crate::subdomain::Subdomain;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;
use crate::workflow::{Flow, Halt, IdempotencyKey, Workflow};

/// What a hospital is to be.
///
/// It stands in the journal until the hospital is registered, and is taken out then.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Registration {
    /// Its code: its tenant id, and what its numbers begin with. It is never another hospital's again.
    pub code: String,
    /// Its name, by the rules of a [`DisplayName`].
    pub name: String,
    /// The first label of its host name, by the rules of a [`Subdomain`].
    pub subdomain: String,
    /// Its owner's given name.
    pub given_name: String,
    /// Its owner's family name.
    pub family_name: String,
    /// Its owner's address, and where letters about the contract go.
    pub email: String,
    /// The code of the plan it tries. Default: `standard`.
    pub plan: String,
    /// How often it will pay. Default: each month.
    pub billing_cycle: BillingCycle,
    /// Whom to call. Default: nobody, as all below.
    pub contact_name: Option<String>,
    /// The switchboard.
    pub phone: Option<String>,
    /// Street, number, floor.
    pub address: Option<String>,
    /// Town.
    pub city: Option<String>,
    /// Country.
    pub country: Option<String>,
    /// Public web site.
    pub website: Option<String>,
    /// IANA name, as in `Africa/Lagos`. Default: `UTC`.
    pub time_zone: String,
    /// ISO 4217 code of every amount in its database. Default: `USD`.
    pub currency: String,
}

impl Registration {
    /// A hospital and its owner; everything else is the default.
    pub fn new(
        code: impl Into<String>,
        name: impl Into<String>,
        subdomain: impl Into<String>,
        given_name: impl Into<String>,
        family_name: impl Into<String>,
        email: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            name: name.into(),
            subdomain: subdomain.into(),
            given_name: given_name.into(),
            family_name: family_name.into(),
            email: email.into(),
            plan: "standard".to_owned(),
            billing_cycle: BillingCycle::Monthly,
            contact_name: None,
            phone: None,
            address: None,
            city: None,
            country: None,
            website: None,
            time_zone: "UTC".to_owned(),
            currency: "USD".to_owned(),
        }
    }

    /// Refuses what can be told to be wrong without asking the database.
    fn check(&self) -> Result<(TenantId, DisplayName, Subdomain), OnboardingError> {
        let code = self.code.trim().parse()?;
        let name = self.name.trim().parse()?;
        let subdomain = self.subdomain.trim().parse()?;
        let details = [
            ("the contact's name", &self.contact_name),
            ("the telephone number", &self.phone),
            ("the address", &self.address),
            ("the city", &self.city),
            ("the country", &self.country),
            ("the web site", &self.website),
        ];
        for (which, text) in details {
            let good = |text: &String| {
                (1..=200).contains(&text.chars().count()) && !text.chars().any(char::is_control)
            };
            if !text.as_ref().is_none_or(good) {
                let rule = "give 1 to 200 characters, none of them a control character, or nothing";
                return Err(OnboardingError::BadDetail { which, rule });
            }
        }
        let zone = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
        if !(1..=64).contains(&self.time_zone.len()) || !self.time_zone.chars().all(zone) {
            let (which, rule) = ("the time zone", "give its IANA name, as in `Africa/Lagos`");
            return Err(OnboardingError::BadDetail { which, rule });
        }
        if self.currency.len() != 3 || !self.currency.chars().all(|c| c.is_ascii_uppercase()) {
            let (which, rule) = ("the currency", "give its ISO 4217 code, as in `USD`");
            return Err(OnboardingError::BadDetail { which, rule });
        }
        Ok((code, name, subdomain))
    }
}

/// Shows nothing of the owner.
impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("code", &self.code)
            .field("subdomain", &self.subdomain)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

/// What a registration made, by the keys of the rows: what the journal keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Made {
    /// The hospital.
    pub hospital: Id<Hospital>,
    /// Its owner.
    pub owner: Id<User>,
    /// Its trial.
    pub subscription: Id<Subscription>,
}

/// A hospital that was registered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Registered {
    /// Its tenant id.
    pub id: TenantId,
    /// Its row.
    pub hospital: Id<Hospital>,
    /// The first label of its host name.
    pub subdomain: Subdomain,
    /// Its owner's account.
    pub owner: Owner,
    /// Its trial.
    pub subscription: Id<Subscription>,
    /// The last day that is free.
    pub trial_ends_on: Option<NaiveDate>,
    /// The most bytes its database may have; `None` is no limit.
    pub quota: Option<u64>,
    /// The modules that are switched on, in the order of their names.
    pub modules: Vec<ModuleLink>,
}

/// The account of who owns a hospital: a member of it as [`Role::HospitalAdmin`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Owner {
    /// The user's key.
    pub user: Id<User>,
    /// What they log in with.
    pub username: String,
    /// Their first password, to be shown once and changed at the first log-in. `None` where they have logged in already.
    pub password: Option<OneTimePassword>,
}

/// A module that is switched on, and where its first page is below the hospital's address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleLink {
    /// The module. Its word is its name in the path.
    pub module: Module,
    /// As in `/patients/`: with the hospital's address before it, a direct link.
    pub path: String,
}

/// Registers a hospital: its row, its owner's account and membership, a trial of its plan with the plan's modules, and its
/// database, migrated and limited to what the plan allows. All of it or nothing.
///
/// A code, subdomain or address that is taken is refused before a database is made, and so is one whose registration
/// is under way. Takes as long as creating a tenant, and some 20 ms for the password.
///
/// # The password
/// It is in no journal: it is made when the hospital is registered and this returns. So the same `key` once more gives the
/// same hospital and **another password**, and the one before is void, for as long as the owner has not logged in; after
/// that, none. A caller whose answer was lost thus asks again with the same key. Whoever has the key and knows
/// everything that was given can do so, for [`Workflow::KEEP`]: make it of something random, and keep it in the form.
///
/// # Errors
/// See [`OnboardingError`]. Nothing is left, unless it is [`NoPassword`](OnboardingError::NoPassword),
/// [`NotBound`](OnboardingError::NotBound) or [`Run`](OnboardingError::Run), whose error says what will become of it.
pub fn register(
    tenancy: &Tenancy,
    accounts: &Accounts,
    key: Option<IdempotencyKey>,
    asked: &Registration,
) -> Result<Registered, OnboardingError> {
    let (code, _, subdomain) = asked.check()?;
    let made = tenancy.run_workflow(&RegisterHospital, &code, key, asked.clone())?;
    let shared = &mut tenancy.shared()?;
    let owner = owner(shared, accounts, made.owner)
        .map_err(|source| OnboardingError::NoPassword { code, source })?;
    let (trial_ends_on, plan) = subscriptions::table
        .inner_join(plans::table)
        .filter(subscriptions::id.eq(made.subscription))
        .select((subscriptions::trial_ends_on, plans::all_columns))
        .first::<(Option<NaiveDate>, _)>(shared)?;
    let modules = service::enabled_modules(shared, made.hospital)?;
    Ok(Registered {
        id: code,
        hospital: made.hospital,
        subdomain,
        owner,
        subscription: made.subscription,
        trial_ends_on,
        quota: service::Limits::of(&plan).bytes(),
        modules: modules
            .into_iter()
            .map(|module| ModuleLink {
                module,
                path: format!("/{module}/"),
            })
            .collect(),
    })
}

/// The owner, with a new password if they never used one.
fn owner(
    shared: &mut SharedContext,
    accounts: &Accounts,
    user: Id<User>,
) -> Result<Owner, AccountError> {
    let row = users::table.find(user).select((
        users::username,
        users::must_change_password,
        users::last_login_at,
    ));
    let row = row.first::<(String, bool, Option<NaiveDateTime>)>(shared);
    let Some((username, must_change, last_login)) = row.optional()? else {
        return Err(AccountError::UnknownUser);
    };
    let password = match (must_change, last_login) {
        (true, None) => Some(accounts.reset_password(shared, user, crate::services::now())?),
        _ => None,
    };
    Ok(Owner {
        user,
        username,
        password,
    })
}

/// The workflow of [`register`]. Its output is the keys of what it made; the owner has no password by then.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegisterHospital;

impl Workflow for RegisterHospital {
    const NAME: &'static str = "register-hospital";
    type Input = Registration;
    type Output = Made;
    type Error = OnboardingError;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        asked: &'a Registration,
    ) -> Result<Made, Halt<OnboardingError>> {
        let written: Written = flow.shared_or_undo(
            "business record",
            |shared| write_down(shared, asked),
            |shared, written| Ok(take_out(shared, &written.made)?),
        )?;
        let new = NewTenant::named(asked.name.trim())
            .subdomain(asked.subdomain.trim())
            .plan(&asked.plan);
        let new = match written.quota {
            Some(bytes) => new.quota(bytes),
            None => new,
        };
        flow.committing().create_tenant("database", new)?;
        let tenant = flow.tenant_uuid().expect("the step before created it");
        let code = *flow.tenant_id();
        flow.shared("hospital of the tenant", |shared| {
            let now = crate::services::now();
            match hospitals_service::bind(shared, written.made.hospital, tenant, now)? {
                true => Ok(()),
                false => Err(OnboardingError::NotBound { code }),
            }
        })?;
        Ok(written.made)
    }
}

#[derive(Serialize, Deserialize)]
struct Written {
    made: Made,
    quota: Option<u64>,
}

/// A hash that no password has: nobody logs in before the hospital is there.
const NO_PASSWORD: &str = "!";

/// All that is in the shared database.
fn write_down(
    shared: &mut SharedContext,
    asked: &Registration,
) -> Result<Written, OnboardingError> {
    let (code, name, subdomain) = asked.check()?;
    let now = crate::services::now();
    // The catalogue would refuse these as well, a step later.
    let spelled = code.as_str().replace('\\', "\\\\").replace('_', "\\_");
    let taken = hospitals::table.filter(hospitals::code.like(spelled).escape('\\'));
    if diesel::select(exists(taken)).get_result(shared)? {
        return Err(OnboardingError::CodeTaken { code });
    }
    let taken = hospitals::table.filter(hospitals::subdomain.eq(subdomain.as_str()));
    if diesel::select(exists(taken)).get_result(shared)? {
        return Err(OnboardingError::SubdomainTaken { subdomain });
    }
    let hospital = Id::new();
    let row = NewHospital {
        id: hospital,
        code: code.as_str(),
        name: name.as_str(),
        subdomain: subdomain.as_str(),
        contact_name: asked.contact_name.as_deref(),
        email: asked.email.trim(),
        phone: asked.phone.as_deref(),
        address: asked.address.as_deref(),
        city: asked.city.as_deref(),
        country: asked.country.as_deref(),
        website: asked.website.as_deref(),
        time_zone: &asked.time_zone,
        currency: &asked.currency,
        created_at: now,
    };
    diesel::insert_into(hospitals::table)
        .values(&row)
        .execute(shared)?;
    let subscription =
        service::start_trial(shared, hospital, &asked.plan, asked.billing_cycle, now)?;
    let new = NewAccount::new(&asked.given_name, &asked.family_name, &asked.email)
        .member_of(hospital, Role::HospitalAdmin);
    let owner = Id::new();
    making::make(shared, &new, owner, NO_PASSWORD, now)?;
    Ok(Written {
        made: Made {
            hospital,
            owner,
            subscription,
        },
        quota: service::limits(shared, hospital)?.bytes(),
    })
}

/// Takes it out again, with what others may have tied to it since.
fn take_out(shared: &mut SharedContext, made: &Made) -> QueryResult<()> {
    let hospital = made.hospital;
    diesel::delete(contract_acceptances::table)
        .filter(contract_acceptances::hospital_id.eq(hospital))
        .execute(shared)?;
    // They end with it. One without a hospital would be good for the service itself.
    diesel::delete(sessions::table.filter(sessions::hospital_id.eq(hospital))).execute(shared)?;
    membership::take_out(shared, hospital)?;
    making::unmake(shared, made.owner)?;
    diesel::delete(hospital_modules::table.filter(hospital_modules::hospital_id.eq(hospital)))
        .execute(shared)?;
    diesel::delete(subscriptions::table.filter(subscriptions::hospital_id.eq(hospital)))
        .execute(shared)?;
    diesel::delete(hospitals::table.find(hospital)).execute(shared)?;
    Ok(())
}
