//! Logging in.
use std::fmt;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use sha2::{Digest, Sha256};

use super::session::cut;
use super::{AccountError, Accounts, HashCost, LoginError, password};
use crate::context::{RunQueryDsl, SharedContext};
use crate::id::Id;
use crate::models::schema::shared::{login_attempts, users};
use crate::models::shared::accounts::{LoginAttempt, NewLoginAttempt, User};

/// Somebody who was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The user.
    pub user: Id<User>,
    /// Whether they run the service itself.
    pub superuser: bool,
    /// Whether they must choose a password before they do anything else.
    pub must_change_password: bool,
    /// Digest of the hash that was compared with: a session begins with the same one or not at all.
    seen: Seen,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen([u8; 32]);

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Login {
    pub(super) fn of(user: &User) -> Self {
        Self {
            user: user.id,
            superuser: user.superuser,
            must_change_password: user.must_change_password,
            seen: Seen(Sha256::digest(user.password_hash.as_bytes()).into()),
        }
    }

    /// Whether the user could be let in with the same password still.
    pub(super) fn is_of(&self, user: &User) -> bool {
        user.active && Self::of(user).seen == self.seen
    }
}

/// Somebody who says who they are, before their password was looked at: see [`Accounts::claim`].
pub struct Claim {
    username: String,
    ip_address: Option<String>,
    user: Option<User>,
    cost: HashCost,
}

/// A claim whose password was compared, with whatever result: see [`Accounts::let_in`].
pub struct Compared {
    claim: Claim,
    knows: bool,
}

impl Claim {
    /// Compares the password. Takes some 20 ms of a core and 19 MiB, with the default [`HashCost`], whether or not there is
    /// such a user. Holds no connection.
    ///
    /// # Errors
    /// [`AccountError::HashCost`].
    pub fn compare(self, password: &str) -> Result<Compared, AccountError> {
        let hash = self.user.as_ref().map(|user| user.password_hash.as_str());
        let knows = password::verify(password, hash, self.cost)?;
        Ok(Compared { claim: self, knows })
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim(…)")
    }
}

impl fmt::Debug for Compared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compared(…)")
    }
}

/// The attempts at a name that may lock it.
#[derive(Clone, Copy)]
struct Attempts<'a> {
    username: &'a str,
    /// From this address only, which may be an unknown one.
    from: Option<Option<&'a str>>,
    /// Made after the password was changed.
    since: Option<NaiveDateTime>,
}

impl Accounts {
    /// Lets a user in by name and password.
    ///
    /// Every attempt is written down. After the policy's number of failures in a row (default 5) the *name* is locked for
    /// the address they came from (default 300 s after the last of them), and after many more of them (default 100) for
    /// everybody: so guessing is slow, and keeping somebody else out is not easy. It is so whether or not somebody has
    /// the name; a lock does not tell who has an account. A wrong password, an unknown name and an account that is
    /// switched off get the same answer after the same work. A password that is reset or changed ends the lock.
    ///
    /// `ip_address` is the client's, as far as it is known: callers without one are one address.
    ///
    /// Takes some 20 ms of a core, outside of any transaction.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub fn log_in(
        &self,
        shared: &mut SharedContext,
        username: &str,
        password: &str,
        ip_address: Option<&str>,
        now: NaiveDateTime,
    ) -> Result<Login, LoginError> {
        let claim = self.claim(shared, username, ip_address, now)?;
        self.let_in(shared, &claim.compare(password)?, now)
    }

    /// The first of the three parts of [`log_in`](Self::log_in), for a service: a hash should hold no connection while it is
    /// computed. Looks up whom somebody says they are. Give the connection back,
    /// [compare](Claim::compare), and end with [`let_in`](Self::let_in).
    ///
    /// # Errors
    /// [`LoginError::Locked`], before anything is computed; [`LoginError::Account`].
    pub fn claim(
        &self,
        shared: &mut SharedContext,
        username: &str,
        ip_address: Option<&str>,
        now: NaiveDateTime,
    ) -> Result<Claim, LoginError> {
        let username = cut(username.trim()).to_lowercase();
        if let Some(until) = self.locked_until(shared, &username, ip_address, now)? {
            return Err(LoginError::Locked { until });
        }
        let row = users::table
            .filter(users::username.eq(&username))
            .select(User::as_select());
        Ok(Claim {
            user: row.first::<User>(shared).optional()?,
            username,
            ip_address: ip_address.map(str::to_owned),
            cost: self.policy.hash_cost,
        })
    }

    /// The last part of a log-in: writes the attempt down, and looks again at all that may have changed since the claim.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub fn let_in(
        &self,
        shared: &mut SharedContext,
        compared: &Compared,
        now: NaiveDateTime,
    ) -> Result<Login, LoginError> {
        let Claim {
            username,
            ip_address,
            user,
            ..
        } = &compared.claim;
        let ip_address = ip_address.as_deref();
        let user = user.as_ref().filter(|user| compared.knows && user.active);

        shared
            .transaction(|shared| {
                // While the hash was being made somebody else may have used up the attempts, or changed the password.
                if let Some(until) = self.locked_until(shared, username, ip_address, now)? {
                    return Err(LoginError::Locked { until });
                }
                let user = match user {
                    Some(seen) => match super::find(shared, seen.id) {
                        Ok(user) => Some(user)
                            .filter(|user| user.active && user.password_hash == seen.password_hash),
                        Err(AccountError::UnknownUser) => None,
                        // It is not known whether they may: that is no wrong password, and counts as none.
                        Err(error) => return Err(error.into()),
                    },
                    None => None,
                };
                self.note(shared, username, user.as_ref(), ip_address, now)?;
                Ok(user)
            })?
            .map(|user| Login::of(&user))
            .ok_or(LoginError::Refused)
    }

    /// Removes attempts made before a time, such as 90 days ago. Returns how many; meant for a daily job, as anybody can
    /// make attempts.
    ///
    /// # Errors
    /// [`AccountError::Query`].
    pub fn forget_attempts(
        &self,
        shared: &mut SharedContext,
        before: NaiveDateTime,
    ) -> Result<usize, AccountError> {
        let old = login_attempts::table.filter(login_attempts::attempted_at.lt(before));
        Ok(diesel::delete(old).execute(shared)?)
    }

    /// Until when nobody is listened to who gives this name from this address.
    pub(super) fn locked_until(
        &self,
        shared: &mut SharedContext,
        username: &str,
        ip_address: Option<&str>,
        now: NaiveDateTime,
    ) -> QueryResult<Option<NaiveDateTime>> {
        let changed = users::table
            .filter(users::username.eq(username))
            .select(users::password_changed_at);
        let changed = changed.first(shared).optional()?.flatten();
        let of_name = Attempts {
            username,
            from: None,
            since: changed,
        };
        let from_here = Attempts {
            from: Some(ip_address.map(cut)),
            ..of_name
        };
        let here = self.lock(shared, from_here, self.policy.failures)?;
        let anywhere = self.lock(shared, of_name, self.policy.failures_anywhere)?;
        Ok(here.max(anywhere).filter(|until| now < *until))
    }

    /// When the lock ends that these attempts have led to, if they have: so many of the newest all failed, within the time
    /// of a lock.
    fn lock(
        &self,
        shared: &mut SharedContext,
        attempts: Attempts<'_>,
        enough: u32,
    ) -> QueryResult<Option<NaiveDateTime>> {
        let enough = enough.max(1);
        let mut newest = login_attempts::table
            .filter(login_attempts::username.eq(attempts.username))
            .order((
                login_attempts::attempted_at.desc(),
                login_attempts::id.desc(),
            ))
            .limit(i64::from(enough))
            .select((login_attempts::succeeded, login_attempts::attempted_at))
            .into_boxed();
        newest = match attempts.from {
            None => newest,
            Some(None) => newest.filter(login_attempts::ip_address.is_null()),
            Some(Some(address)) => newest.filter(login_attempts::ip_address.eq(address)),
        };
        if let Some(since) = attempts.since {
            newest = newest.filter(login_attempts::attempted_at.gt(since));
        }
        let newest: Vec<(bool, NaiveDateTime)> = newest.load(shared)?;
        let (Some((_, last)), Some((_, first))) = (newest.first(), newest.last()) else {
            return Ok(None);
        };
        let all_failed = newest.iter().all(|(succeeded, _)| !succeeded);
        let in_a_row =
            newest.len() == enough as usize && all_failed && *last - *first <= self.policy.lock;
        Ok(in_a_row.then(|| *last + self.policy.lock))
    }

    /// Writes an attempt down; a success carries its user.
    pub(super) fn note(
        &self,
        shared: &mut SharedContext,
        username: &str,
        user: Option<&User>,
        ip_address: Option<&str>,
        now: NaiveDateTime,
    ) -> Result<(), AccountError> {
        let id = users::table
            .filter(users::username.eq(username))
            .select(users::id);
        let whose: Option<Id<User>> = id.first(shared).optional()?;
        let row = NewLoginAttempt {
            id: Id::<LoginAttempt>::new(),
            username,
            user_id: whose,
            ip_address: ip_address.map(cut),
            succeeded: user.is_some(),
            attempted_at: now,
        };
        diesel::insert_into(login_attempts::table)
            .values(&row)
            .execute(shared)?;
        let Some(whose) = whose else { return Ok(()) };
        if user.is_some() {
            diesel::update(users::table.find(whose))
                .set((
                    users::failed_logins.eq(0),
                    users::locked_until.eq(None::<NaiveDateTime>),
                    users::last_login_at.eq(now),
                ))
                .execute(shared)?;
        } else {
            let everywhere = Attempts {
                username,
                from: None,
                since: None,
            };
            let until = self.lock(shared, everywhere, self.policy.failures_anywhere)?;
            diesel::update(users::table.find(whose))
                .set((
                    users::failed_logins.eq(users::failed_logins + 1),
                    users::locked_until.eq(until),
                ))
                .execute(shared)?;
        }
        Ok(())
    }
}
