//! Logging in.
use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::session::cut;
use super::{AccountError, Accounts, LoginError, password};
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
}

impl Accounts {
    /// Lets a user in by name and password.
    ///
    /// Every attempt is written down. After the policy's number of failures in a row (default 5) the *name* is locked
    /// (default 300 s after the last of them), whether or not somebody has it, so that a lock does not tell who has an
    /// account. A wrong password, an unknown name and an account that is switched off get the same answer after the
    /// same work.
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
        let username = cut(username.trim()).to_lowercase();
        if let Some(until) = self.locked_until(shared, &username, now)? {
            return Err(LoginError::Locked { until });
        }
        let row = users::table
            .filter(users::username.eq(&username))
            .select(User::as_select());
        let user = row.first::<User>(shared).optional()?;
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let knows = password::verify(password, hash, self.policy.hash_cost)?;
        let user = user.filter(|user| knows && user.active);

        shared
            .transaction(|shared| {
                // While the hash was being made somebody else may have used up the attempts, or changed the password.
                if let Some(until) = self.locked_until(shared, &username, now)? {
                    return Err(LoginError::Locked { until });
                }
                let user = match user {
                    Some(seen) => super::find(shared, seen.id)
                        .ok()
                        .filter(|user| user.active && user.password_hash == seen.password_hash),
                    None => None,
                };
                self.note(shared, &username, user.as_ref(), ip_address, now)?;
                Ok(user)
            })?
            .map(|user| Login {
                user: user.id,
                superuser: user.superuser,
                must_change_password: user.must_change_password,
            })
            .ok_or(LoginError::Refused)
    }

    /// Until when nobody is listened to who gives this name: the newest attempts all failed, and within the time of
    /// a lock.
    fn locked_until(
        &self,
        shared: &mut SharedContext,
        username: &str,
        now: NaiveDateTime,
    ) -> QueryResult<Option<NaiveDateTime>> {
        let enough = self.policy.failures.max(1);
        let newest: Vec<(bool, NaiveDateTime)> = login_attempts::table
            .filter(login_attempts::username.eq(username))
            .order((
                login_attempts::attempted_at.desc(),
                login_attempts::id.desc(),
            ))
            .limit(i64::from(enough))
            .select((login_attempts::succeeded, login_attempts::attempted_at))
            .load(shared)?;
        let (Some((_, last)), Some((_, first))) = (newest.first(), newest.last()) else {
            return Ok(None);
        };
        let all_failed = newest.iter().all(|(succeeded, _)| !succeeded);
        let in_a_row =
            newest.len() == enough as usize && all_failed && *last - *first <= self.policy.lock;
        let until = *last + self.policy.lock;
        let locked = in_a_row && now < until;
        Ok(locked.then_some(until))
    }

    /// Writes an attempt down; a success carries its user.
    fn note(
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
            let until = self.locked_until(shared, username, now)?;
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
