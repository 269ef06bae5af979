//! Three invented hospitals to begin with.
use std::error::Error;

use diesel_tenants::OpenError;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::users;
use diesel_tenants::models::shared::accounts::User;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, Accounts, NewAccount, OneTimePassword};
use diesel_tenants::services::now;

use crate::register::{RegisterError, Registration, register};

// What is in them is what is in those of the library's example.
#[path = "../../../examples/hospital/invented.rs"]
mod invented;

/// An invented hospital.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DemoHospital {
    /// Its tenant id.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The first label of its host name.
    pub subdomain: &'static str,
    patients: usize,
}

/// The hospitals there are to begin with.
pub const HOSPITALS: [DemoHospital; 3] = [
    DemoHospital {
        code: "TH001",
        name: "Teaching Hospital",
        subdomain: "th001",
        patients: 60,
    },
    DemoHospital {
        code: "DMC001",
        name: "Downtown Medical Center",
        subdomain: "dmc001",
        patients: 45,
    },
    DemoHospital {
        code: "TEST_HOSPITAL",
        name: "Test Hospital",
        subdomain: "test-hospital",
        patients: 30,
    },
];

/// Somebody who can log in once and then chooses a password.
#[derive(Debug)]
#[non_exhaustive]
pub struct FirstLogin {
    /// Where: the console, or a hospital's code.
    pub what: &'static str,
    /// The user name.
    pub username: String,
    /// The password.
    pub password: OneTimePassword,
}

/// Why there is no data to begin with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The library cannot be opened.
    #[error(transparent)]
    Setup(#[from] diesel_tenants::Error),
    /// A hospital was not registered.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The superuser's account was not made.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// A database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The shared database cannot be read.
    #[error("it cannot be looked up who runs the service")]
    Query(#[from] diesel::result::Error),
    /// A hospital's rows were not made.
    #[error("the invented rows cannot be written")]
    Rows(#[source] Box<dyn Error + Send + Sync>),
}

/// Makes what is not there yet, and says who can log in with a password that was made up just now.
///
/// A superuser who never chose a password gets a new one: the old one has scrolled away.
///
/// # Errors
/// See [`DemoError`].
pub fn fill(tenancy: &Tenancy) -> Result<Vec<FirstLogin>, DemoError> {
    let mut logins = Vec::new();
    if let Some(login) = superuser(tenancy)? {
        logins.push(login);
    }
    for hospital in HOSPITALS {
        if tenancy
            .tenants()?
            .iter()
            .any(|known| known.id.as_str() == hospital.code)
        {
            continue;
        }
        let asked = Registration::of(hospital.code, hospital.name, hospital.subdomain);
        let made = register(tenancy, &asked)?;
        // One person does everything in a hospital that is new.
        let shared = invented::Shared {
            hospital: made.hospital,
            receptionist: made.owner.user,
            pharmacist: made.owner.user,
        };
        let ctx = &mut tenancy.tenant(&made.id)?;
        invented::fill(ctx, shared, hospital.patients).map_err(DemoError::Rows)?;
        if let Some(password) = made.owner.password {
            logins.push(FirstLogin {
                what: hospital.code,
                username: made.owner.username,
                password,
            });
        }
    }
    Ok(logins)
}

fn superuser(tenancy: &Tenancy) -> Result<Option<FirstLogin>, DemoError> {
    let shared = &mut tenancy.shared()?;
    let accounts = Accounts::default();
    let known = users::table.filter(users::superuser.eq(true)).select((
        users::id,
        users::username,
        users::must_change_password,
    ));
    let (username, password) = match known.first::<(Id<User>, String, bool)>(shared).optional()? {
        Some((_, _, false)) => return Ok(None),
        Some((user, username, true)) => (username, accounts.reset_password(shared, user, now())?),
        None => {
            let new = NewAccount::new("Sam", "Operator", "sam@service.example").superuser();
            let made = accounts.create(shared, &new, now())?;
            (made.username, made.password)
        }
    };
    Ok(Some(FirstLogin {
        what: "console",
        username,
        password,
    }))
}
