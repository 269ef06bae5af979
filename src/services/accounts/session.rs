//! Sessions: a cookie that stands for a log-in.
use std::fmt;

use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;
use rand::RngExt;
use sha2::{Digest, Sha256};

use super::{AccountError, Accounts, Login, access, membership};
use crate::context::{RunQueryDsl, SharedContext};
use crate::id::Id;
use crate::models::schema::shared::{hospitals, sessions, users};
use crate::models::shared::accounts::{Hospital, NewSession, Session, User};

/// How often the time of the last request is written down: not at each of them.
const TOUCH: TimeDelta = TimeDelta::seconds(60);
/// The longest address and browser name that are kept, in bytes.
const LONGEST_TEXT: usize = 200;

/// What the browser keeps: 256 random bits in hexadecimal. The database has a digest of it only, so who reads the
/// database cannot use it. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    fn generate() -> Self {
        Self(hex(&rand::rng().random::<[u8; 32]>()))
    }

    /// Takes what a browser sent. Whether it is any good is for [`Accounts::signed_in`] to say.
    pub fn from_cookie(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// What to put into the cookie.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn digest(&self) -> String {
        hex(&Sha256::digest(self.0.as_bytes()))
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A session that is good, and whose it is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// The user.
    pub user: User,
}

impl Accounts {
    /// Begins a session for a user who was let in, good for one hospital or, with `None`, for the service itself, such as
    /// its console. The address and the browser's name are kept for them to see.
    ///
    /// A log-in is good for the password it was made with: if that was changed since, no session begins, so that none
    /// outlives the change that ends them all. None begins in a hospital that is closed. Whether the user is a member there
    /// is not asked: what is behind the session asks for their [role](Self::role_in) each time.
    ///
    /// # Errors
    /// [`AccountError::LoginOutdated`]; [`AccountError::UnknownUser`]; [`AccountError::UnknownHospital`],
    /// [`AccountError::HospitalClosed`]; [`AccountError::Query`].
    pub fn begin_session(
        &self,
        shared: &mut SharedContext,
        login: &Login,
        hospital: Option<Id<Hospital>>,
        ip_address: Option<&str>,
        user_agent: Option<&str>,
        now: NaiveDateTime,
    ) -> Result<SessionToken, AccountError> {
        let token = SessionToken::generate();
        let row = NewSession {
            id: Id::<Session>::new(),
            token_sha256: &token.digest(),
            user_id: login.user,
            hospital_id: hospital,
            ip_address: ip_address.map(cut),
            user_agent: user_agent.map(cut),
            created_at: now,
            last_seen_at: now,
            expires_at: now + self.policy.session,
        };
        shared.transaction(|shared| {
            if !login.is_of(&super::find(shared, login.user)?) {
                return Err(AccountError::LoginOutdated);
            }
            if let Some(hospital) = hospital {
                membership::refuse_closed(shared, hospital)?;
            }
            diesel::insert_into(sessions::table)
                .values(&row)
                .execute(shared)?;
            Ok(())
        })?;
        Ok(token)
    }

    /// Whose session this is, if it is good here: begun for this hospital (or, with `None`, for the service itself), not
    /// ended, not too old, used within the idle time, of an account that is switched on, in a hospital that is not closed.
    /// Notes the request, about once a minute.
    ///
    /// # Errors
    /// [`AccountError::Query`].
    pub fn signed_in(
        &self,
        shared: &mut SharedContext,
        token: &SessionToken,
        hospital: Option<Id<Hospital>>,
        now: NaiveDateTime,
    ) -> Result<Option<SignedIn>, AccountError> {
        let found = self.is_signed_in(shared, token, hospital, now)?;
        if let Some(SignedIn { session, .. }) = &found
            && now - session.last_seen_at >= TOUCH
        {
            diesel::update(sessions::table.find(session.id))
                .set(sessions::last_seen_at.eq(now))
                .execute(shared)?;
        }
        Ok(found)
    }

    /// The same, without noting a request: for an answer that goes on for long, which keeps no session alive.
    ///
    /// # Errors
    /// [`AccountError::Query`].
    pub fn is_signed_in(
        &self,
        shared: &mut SharedContext,
        token: &SessionToken,
        hospital: Option<Id<Hospital>>,
        now: NaiveDateTime,
    ) -> Result<Option<SignedIn>, AccountError> {
        let found = sessions::table
            .inner_join(users::table)
            .left_join(hospitals::table)
            .filter(sessions::token_sha256.eq(token.digest()))
            .filter(sessions::revoked_at.is_null())
            .filter(sessions::expires_at.gt(now))
            .filter(sessions::last_seen_at.gt(now - self.policy.idle))
            .filter(users::active.eq(true))
            .filter(hospitals::closed_at.nullable().is_null())
            .select((Session::as_select(), User::as_select()));
        let found = found.first::<(Session, User)>(shared).optional()?;
        let found = found.filter(|(session, _)| session.hospital_id == hospital);
        Ok(found.map(|(session, user)| SignedIn { session, user }))
    }

    /// Ends a session: logging out. False where there was none that was good.
    ///
    /// # Errors
    /// [`AccountError::Query`].
    pub fn end_session(
        &self,
        shared: &mut SharedContext,
        token: &SessionToken,
        now: NaiveDateTime,
    ) -> Result<bool, AccountError> {
        let row = sessions::table
            .filter(sessions::token_sha256.eq(token.digest()))
            .filter(sessions::revoked_at.is_null());
        let ended = diesel::update(row)
            .set(sessions::revoked_at.eq(now))
            .execute(shared)?;
        Ok(ended > 0)
    }

    /// Ends all sessions of a user. Returns how many there were.
    ///
    /// # Errors
    /// [`AccountError::Query`].
    pub fn end_all_sessions(
        &self,
        shared: &mut SharedContext,
        user: Id<User>,
        now: NaiveDateTime,
    ) -> Result<usize, AccountError> {
        shared.transaction(|shared| {
            let ended = revoke_all(shared, user, now)?;
            let note = access::about(access::SESSIONS_ENDED, user);
            shared.audit(&note.with("sessions", ended))?;
            Ok(ended)
        })
    }

    /// Removes the rows of sessions that can never be good again. Returns how many; meant for a daily job.
    ///
    /// # Errors
    /// [`AccountError::Query`].
    pub fn forget_old_sessions(
        &self,
        shared: &mut SharedContext,
        now: NaiveDateTime,
    ) -> Result<usize, AccountError> {
        let over = sessions::table.filter(
            sessions::expires_at
                .le(now)
                .or(sessions::revoked_at.is_not_null()),
        );
        Ok(diesel::delete(over).execute(shared)?)
    }
}

pub(in crate::services) fn revoke_all(
    shared: &mut SharedContext,
    user: Id<User>,
    now: NaiveDateTime,
) -> QueryResult<usize> {
    let open = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now));
    diesel::update(open)
        .set(sessions::revoked_at.eq(now))
        .execute(shared)
}

/// Ends the user's sessions in one hospital.
pub(super) fn revoke_in(
    shared: &mut SharedContext,
    user: Id<User>,
    hospital: Id<Hospital>,
    now: NaiveDateTime,
) -> QueryResult<()> {
    let open = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::hospital_id.eq(hospital))
        .filter(sessions::revoked_at.is_null());
    let ended = diesel::update(open).set(sessions::revoked_at.eq(now));
    ended.execute(shared).map(drop)
}

/// Ends the user's sessions that are good for no hospital.
pub(super) fn revoke_of_service(
    shared: &mut SharedContext,
    user: Id<User>,
    now: NaiveDateTime,
) -> QueryResult<()> {
    let open = sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::hospital_id.is_null())
        .filter(sessions::revoked_at.is_null());
    let ended = diesel::update(open).set(sessions::revoked_at.eq(now));
    ended.execute(shared).map(drop)
}

/// Ends all sessions in a hospital.
pub(in crate::services) fn revoke_all_in(
    shared: &mut SharedContext,
    hospital: Id<Hospital>,
    now: NaiveDateTime,
) -> QueryResult<()> {
    let open = sessions::table
        .filter(sessions::hospital_id.eq(hospital))
        .filter(sessions::revoked_at.is_null());
    let ended = diesel::update(open).set(sessions::revoked_at.eq(now));
    ended.execute(shared).map(drop)
}

/// As much of a text from outside as is kept.
pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
