//! The form somebody registers a hospital with.
use std::time::{Duration, Instant};

use diesel_tenants::OpenError;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::Accounts;
use diesel_tenants::services::onboarding::{self, OnboardingError, Registered};
use diesel_tenants::services::{now, subscriptions};
use diesel_tenants::verify::VerifyOptions;
use diesel_tenants::workflow::IdempotencyKeyError;

/// For how long a form that was sent twice waits for its first time.
const PATIENCE: Duration = Duration::from_secs(5);

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
    /// What the form was given when it was shown, so that sent twice it registers once. Empty: nothing.
    #[serde(default)]
    pub key: String,
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
            key: String::new(),
        }
    }
}

/// Why a hospital was not registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The form's key is none.
    #[error(transparent)]
    Key(#[from] IdempotencyKeyError),
    /// The registration itself.
    #[error(transparent)]
    Onboarding(#[from] OnboardingError),
    /// The shared database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The plans cannot be made.
    #[error("the plans cannot be written down")]
    Plans(#[from] diesel::result::Error),
}

impl RegisterError {
    /// Whether the same form, sent again, may succeed a little later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Onboarding(error) if error.is_retryable())
    }
}

/// Registers a hospital, with a trial of the standard plan.
///
/// # Errors
/// See [`RegisterError`].
pub fn register(tenancy: &Tenancy, asked: &Registration) -> Result<Registered, RegisterError> {
    let key = match asked.key.as_str() {
        "" => None,
        key => Some(key.parse()?),
    };
    let wanted = onboarding::Registration::new(
        &asked.code,
        &asked.name,
        &asked.subdomain,
        &asked.given_name,
        &asked.family_name,
        &asked.email,
    );
    subscriptions::ensure_plans(&mut tenancy.shared()?, now())?;
    let until = Instant::now() + PATIENCE;
    let made = loop {
        match onboarding::register(tenancy, &Accounts::default(), key.clone(), &wanted) {
            Err(error) if error.is_retryable() && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(50));
            }
            outcome => break outcome?,
        }
    };
    // So that the console shows it as looked at. What is found is for the console to say.
    let _ = tenancy.verify(&made.id, &VerifyOptions::default());
    Ok(made)
}
