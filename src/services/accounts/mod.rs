//! User accounts: made, let in, linked, switched off.
//!
//! What is done to an account is entered into the [audit log](crate::audit) in the same transaction, as `account.…`, in the
//! name of whom the context was opened for ([`Tenancy::acting_as`](crate::Tenancy::acting_as)): whether it is done here, by
//! [admission](super::admission), or with a whole hospital by [onboarding](super::onboarding); and also when it is undone.
//!
//! An account is one person in the shared database, in however many hospitals; a *membership* says in which, and what they
//! may do there. Making an account makes both in one transaction.
//!
//! ```
//! # fn example(shared: &mut diesel_tenants::SharedContext, north: diesel_tenants::id::Id<diesel_tenants::models::shared::accounts::Hospital>)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use diesel_tenants::models::shared::accounts::Role;
//! use diesel_tenants::services::accounts::{Accounts, NewAccount};
//! use diesel_tenants::services::now;
//!
//! let accounts = Accounts::default();
//! let new = NewAccount::new("Ada", "Lovelace", "ada@example.org").member_of(north, Role::Doctor);
//! let made = accounts.create(shared, &new, now())?;
//! assert_eq!(made.username, "ada.lovelace.doctor");
//! // Shown once, and to be changed at the first log-in.
//! let login = accounts.log_in(shared, &made.username, made.password.reveal(), None, now())?;
//! assert!(login.must_change_password);
//! # Ok(())
//! # }
//! ```

mod access;
mod error;
pub(super) mod links;
mod login;
pub(super) mod making;
pub(super) mod membership;
mod password;
pub(super) mod session;
mod username;

use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;

pub use self::error::{AccountError, LoginError};
pub use self::login::{Claim, Compared, Login};
pub use self::membership::Membership;
pub use self::password::{
    HashCost, LONGEST_PASSWORD, MADE_UP_LENGTH, OneTimePassword, SHORTEST_PASSWORD, WeakPassword,
    check_password,
};
pub use self::session::{SessionToken, SignedIn};
pub use self::username::username;

use crate::context::{RunQueryDsl, SharedContext};
use crate::id::Id;
use crate::models::schema::shared::{profiles, users};
use crate::models::shared::accounts::{Hospital, Role, User};

/// The rules for accounts. The default is what the fields say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// How passwords are hashed.
    pub hash_cost: HashCost,
    /// Failures in a row, from one address, after which a name is locked there: 5.
    pub failures: u32,
    /// Failures in a row after which a name is locked everywhere: 100. Well above the other, or anybody can keep anybody
    /// out.
    pub failures_anywhere: u32,
    /// For how long: 300 s.
    pub lock: TimeDelta,
    /// How long a session is good: 24 h.
    pub session: TimeDelta,
    /// How long it is good without a request: 30 min.
    pub idle: TimeDelta,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            hash_cost: HashCost::default(),
            failures: 5,
            failures_anywhere: 100,
            lock: TimeDelta::seconds(300),
            session: TimeDelta::hours(24),
            idle: TimeDelta::minutes(30),
        }
    }
}

/// The accounts service. Holds no connection and no state but its rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounts {
    policy: Policy,
}

/// An account that is to be made.
#[derive(Clone)]
#[must_use]
pub struct NewAccount {
    given_name: String,
    family_name: String,
    email: String,
    phone: Option<String>,
    membership: Option<(Id<Hospital>, Role)>,
    superuser: bool,
}

impl NewAccount {
    /// A person. Names have 1 to 100 characters.
    pub fn new(
        given_name: impl Into<String>,
        family_name: impl Into<String>,
        email: impl Into<String>,
    ) -> Self {
        Self {
            given_name: given_name.into(),
            family_name: family_name.into(),
            email: email.into(),
            phone: None,
            membership: None,
            superuser: false,
        }
    }

    /// Their telephone.
    pub fn phone(mut self, phone: impl Into<String>) -> Self {
        self.phone = Some(phone.into());
        self
    }

    /// Makes them a member of a hospital, where they start after logging in.
    pub fn member_of(mut self, hospital: Id<Hospital>, role: Role) -> Self {
        self.membership = Some((hospital, role));
        self
    }

    /// Lets them run the service itself: console, all hospitals' administration, no hospital's data.
    pub fn superuser(mut self) -> Self {
        self.superuser = true;
        self
    }
}

/// Shows nothing of the person.
impl std::fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewAccount")
            .field("membership", &self.membership)
            .field("superuser", &self.superuser)
            .finish_non_exhaustive()
    }
}

/// An account that was made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MadeAccount {
    /// The user's key.
    pub user: Id<User>,
    /// What they log in with.
    pub username: String,
    /// Their first password, to be shown once and changed at the first log-in.
    pub password: OneTimePassword,
}

impl Accounts {
    /// The service with other rules.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }

    /// The rules.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Makes an account: user, profile, and membership if one is wanted, in one transaction.
    ///
    /// The user name is the first that is free of `first.last.role`, `first.last.role.1` … The transaction holds the
    /// write lock while it looks, so two that are made at once get two names. Takes some 20 ms, for the hash, before
    /// it takes that lock.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub fn create(
        &self,
        shared: &mut SharedContext,
        new: &NewAccount,
        now: NaiveDateTime,
    ) -> Result<MadeAccount, AccountError> {
        new.check()?;
        let first = self.first_password()?;
        let user = Id::new();
        let hash = &first.hash;
        let username = shared.transaction(|shared| making::make(shared, new, user, hash, now))?;
        Ok(MadeAccount {
            user,
            username,
            password: first.password,
        })
    }

    /// Switches an account off: no log-in, no session, no membership counts. Its rows stay.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`]; [`AccountError::LastSuperuser`]; [`AccountError::Query`].
    pub fn deactivate(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
        now: NaiveDateTime,
    ) -> Result<(), AccountError> {
        shared.transaction(|shared| {
            another_superuser(shared, user)?;
            set_active(shared, user, false, now)?;
            session::revoke_all(shared, user, now)?;
            Ok(shared.audit(&access::about(access::DEACTIVATED, user))?)
        })
    }

    /// Switches an account on again. The user logs in with the password they had.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`]; [`AccountError::Limit`] where the plan of a hospital they work in allows no more
    /// users; [`AccountError::Query`].
    pub fn reactivate(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
        now: NaiveDateTime,
    ) -> Result<(), AccountError> {
        shared.transaction(|shared| {
            if !find(shared, user)?.active {
                for (hospital, role) in membership::roles(shared, user)? {
                    membership::check_room(shared, hospital, role)?;
                }
            }
            set_active(shared, user, true, now)?;
            Ok(shared.audit(&access::about(access::REACTIVATED, user))?)
        })
    }

    /// Lets a user run the service itself, or no longer. Taking it away ends their sessions; giving it, those that are good
    /// for no hospital: none that was begun before becomes the console's.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`]; [`AccountError::LastSuperuser`]; [`AccountError::Query`].
    pub fn set_superuser(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
        superuser: bool,
        now: NaiveDateTime,
    ) -> Result<(), AccountError> {
        shared.transaction(|shared| {
            find(shared, user)?;
            if superuser {
                session::revoke_of_service(shared, user, now)?;
            } else {
                another_superuser(shared, user)?;
                session::revoke_all(shared, user, now)?;
            }
            diesel::update(users::table.find(user))
                .set((users::superuser.eq(superuser), users::updated_at.eq(now)))
                .execute(shared)?;
            let note = access::about(access::SUPERUSER, user).with("superuser", superuser);
            Ok(shared.audit(&note)?)
        })
    }

    /// Gives an account a new password that was made up, to be changed at the next log-in. Ends its sessions and its
    /// lock.
    ///
    /// # Errors
    /// [`AccountError::UnknownUser`]; [`AccountError::Query`].
    pub fn reset_password(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
        now: NaiveDateTime,
    ) -> Result<OneTimePassword, AccountError> {
        let password = OneTimePassword::generate();
        let hash = self.policy.hash_cost.hash(password.reveal())?;
        set_password(shared, user, None, &hash, now)?;
        Ok(password)
    }

    /// Changes the password of a user who knows the present one, and ends all their sessions. What is returned begins a
    /// new one for whoever made the change.
    ///
    /// A wrong present password counts as a failed log-in: a session that was stolen is no way to guess it. Of two
    /// changes at once, one is told that the present password is another by now.
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`], [`AccountError::Locked`], [`AccountError::WeakPassword`];
    /// [`AccountError::UnknownUser`]; [`AccountError::Query`].
    pub fn change_password(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
        present: &str,
        new: &str,
        ip_address: Option<&str>,
        now: NaiveDateTime,
    ) -> Result<Login, AccountError> {
        let row = find(shared, user)?;
        let name = &row.username;
        if let Some(until) = self.locked_until(shared, name, ip_address, now)? {
            return Err(AccountError::Locked { until });
        }
        if !password::verify(present, Some(&row.password_hash), self.policy.hash_cost)? {
            shared.transaction(|shared| self.note(shared, name, None, ip_address, now))?;
            return Err(AccountError::WrongPassword);
        }
        let names = profiles::table.filter(profiles::user_id.eq(user));
        let names = names.select((profiles::given_name, profiles::family_name));
        let (given, family): (String, String) = names.first(shared).optional()?.unwrap_or_default();
        // It was found to be the present one above.
        if new == present {
            return Err(WeakPassword::Same.into());
        }
        check_password(new, &[&row.username, &row.email, &given, &family])?;
        let hash = self.policy.hash_cost.hash(new)?;
        match set_password(shared, user, Some(&row.password_hash), &hash, now)? {
            true => Ok(Login::of(&find(shared, user)?)),
            false => Err(AccountError::WrongPassword),
        }
    }
}

/// Refuses to go on with the last superuser who can log in.
fn another_superuser(shared: &mut SharedContext, user: Id<User>) -> Result<(), AccountError> {
    let able = users::table.filter(users::superuser.and(users::active));
    let able: Vec<Id<User>> = able.select(users::id).limit(2).load(shared)?;
    match able[..] == [user] {
        true => Err(AccountError::LastSuperuser),
        false => Ok(()),
    }
}

/// The user's row.
fn find(shared: &mut SharedContext, user: Id<User>) -> Result<User, AccountError> {
    let row = users::table
        .find(user)
        .select(User::as_select())
        .first(shared)
        .optional()?;
    row.ok_or(AccountError::UnknownUser)
}

fn set_active(
    shared: &mut SharedContext,
    user: Id<User>,
    active: bool,
    now: NaiveDateTime,
) -> Result<(), AccountError> {
    let changed = diesel::update(users::table.find(user))
        .set((users::active.eq(active), users::updated_at.eq(now)))
        .execute(shared)?;
    match changed {
        0 => Err(AccountError::UnknownUser),
        _ => Ok(()),
    }
}

/// Puts a password in the place of one that was seen, or of whichever there is; that one is to be changed by whoever gets
/// it. False where the one that was seen is there no longer, or the account is switched off.
fn set_password(
    shared: &mut SharedContext,
    user: Id<User>,
    seen: Option<&str>,
    hash: &str,
    now: NaiveDateTime,
) -> Result<bool, AccountError> {
    shared.transaction(|shared| {
        let row = find(shared, user)?;
        if seen.is_some_and(|seen| !row.active || row.password_hash != seen) {
            return Ok(false);
        }
        diesel::update(users::table.find(user))
            .set((
                users::password_hash.eq(hash),
                users::must_change_password.eq(seen.is_none()),
                users::failed_logins.eq(0),
                users::locked_until.eq(None::<NaiveDateTime>),
                users::updated_at.eq(now),
                users::password_changed_at.eq(now),
            ))
            .execute(shared)?;
        session::revoke_all(shared, user, now)?;
        // Who knew the old one is the user themselves.
        match seen {
            Some(_) => {
                let own = access::about(access::PASSWORD_CHANGED, user);
                shared.audit_as(&Accounts::principal(user), &own)?;
            }
            None => shared.audit(&access::about(access::PASSWORD_RESET, user))?,
        }
        Ok(true)
    })
}

/// A name people have, without the white space around it.
fn name<'a>(which: &'static str, given: &'a str) -> Result<&'a str, AccountError> {
    let name = given.trim();
    let found = name.chars().count();
    match (1..=100).contains(&found) && !name.chars().any(char::is_control) {
        true => Ok(name),
        false => Err(AccountError::BadName { which, found }),
    }
}

/// The address as it is kept: lower-case. What is sent to it tells whether it is right; this catches what cannot be.
pub(super) fn email(given: &str) -> Result<String, AccountError> {
    let email = given.trim().to_lowercase();
    let plausible = email.rsplit_once('@').is_some_and(|(name, domain)| {
        let labels = domain.split('.').all(|label| !label.is_empty());
        !name.is_empty() && !name.contains('@') && labels
    });
    let plain = email.len() <= 254 && !email.chars().any(|c| c.is_whitespace() || c.is_control());
    match plausible && plain {
        true => Ok(email),
        false => Err(AccountError::BadEmail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_an_address_is_refused() {
        for good in ["a@b", " Ada@Example.ORG ", "a+b.c@d-e.example"] {
            assert_eq!(email(good).unwrap(), good.trim().to_lowercase());
        }
        let long = format!("{}@b.example", "a".repeat(250));
        for bad in [
            "", "@", "a@", "@b", "a", "a@@b", "a@b@c", "a b@c", "a@b..c", "a@.b", "a\n@b", &long,
        ] {
            assert!(matches!(email(bad), Err(AccountError::BadEmail)), "{bad:?}");
        }
    }
}
