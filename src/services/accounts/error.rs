//! Why something with an account did not happen.
use chrono::NaiveDateTime;

use super::{HashCost, WeakPassword};
use crate::services::subscriptions::LimitReached;
use crate::tenant_id::TenantId;

/// Why an account was not made or changed. Nothing was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// There is no such hospital.
    #[error("there is no such hospital")]
    UnknownHospital,
    /// The hospital is closed: meanwhile nobody becomes a member of it, and no session begins there.
    #[error("the hospital is closed; open it again before somebody joins it or logs in there")]
    HospitalClosed,
    /// The address belongs to another account. It is not repeated here.
    #[error(
        "there is an account with this e-mail address already; give that one the membership instead"
    )]
    EmailTaken,
    /// Not an address.
    #[error(
        "this is no e-mail address; it needs a name, an `@` and a domain, at most 254 bytes without spaces"
    )]
    BadEmail,
    /// A name that is empty or too long.
    #[error(
        "{which} has {found} characters; 1 to 100 are allowed, none of them a control character"
    )]
    BadName {
        /// Which name.
        which: &'static str,
        /// How many characters it has.
        found: usize,
    },
    /// The hospital's plan allows no more users.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// The user is no member of the hospital, or no longer.
    #[error("the user has no active membership in hospital `{tenant}`; grant one first")]
    NotAMember {
        /// The hospital.
        tenant: TenantId,
    },
    /// The row in the hospital's database belongs to another user.
    #[error("this record is linked to another user already; unlink it first")]
    LinkedToAnother,
    /// The user has another record in the hospital already.
    #[error("this user is linked to another {what} of the hospital already; unlink that one first")]
    UserLinked {
        /// What the other record is.
        what: &'static str,
    },
    /// There is no such record in the hospital's database.
    #[error("there is no such {what} in hospital `{tenant}`")]
    UnknownRecord {
        /// What was looked for.
        what: &'static str,
        /// The hospital.
        tenant: TenantId,
    },
    /// The old password is wrong.
    #[error("the present password is not this one")]
    WrongPassword,
    /// Too many wrong guesses at the present password.
    #[error("too many attempts; try again at {until} UTC")]
    Locked {
        /// When the next attempt is listened to (UTC).
        until: NaiveDateTime,
    },
    /// Since the log-in the password was changed or the account switched off.
    #[error("this log-in is no longer good; log in again")]
    LoginOutdated,
    /// Nobody would be left to run the service.
    #[error("this is the last account that runs the service; make another superuser first")]
    LastSuperuser,
    /// The new password is refused.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// Argon2 does not work with these numbers.
    #[error("passwords cannot be hashed with {} KiB and {} passes; at least 8 KiB and one pass are needed", cost.memory, cost.passes)]
    HashCost {
        /// The numbers.
        cost: HashCost,
    },
    /// A statement failed.
    #[error("the accounts cannot be read or changed")]
    Query(#[from] diesel::result::Error),
}

/// Why somebody was not let in. Says the same of a wrong password, an unknown name and an account that is switched off.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Name and password do not go together.
    #[error("user name or password is wrong")]
    Refused,
    /// Too many failures. The same for names that nobody has.
    #[error("too many attempts; try again at {until} UTC")]
    Locked {
        /// When the next attempt is listened to (UTC).
        until: NaiveDateTime,
    },
    /// It could not be looked up.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl From<diesel::result::Error> for LoginError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Account(error.into())
    }
}
