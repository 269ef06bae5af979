//! The rows of an account, and how they are taken out again.
use chrono::NaiveDateTime;
use diesel::dsl::exists;
use diesel::prelude::*;

use super::access::{CREATED, REMOVED, about};
use super::{AccountError, Accounts, NewAccount, OneTimePassword, email, membership, name};
use super::{username, username::first_free};
use crate::context::{RunQueryDsl, SharedContext};
use crate::id::Id;
use crate::models::schema::shared::{
    login_attempts, profiles, sessions, tenant_access, user_groups, users,
};
use crate::models::shared::accounts::{NewProfile, NewUser, Profile, Role, User};

/// A password that was made up, and what is kept of it.
pub(in crate::services) struct FirstPassword {
    pub(in crate::services) password: OneTimePassword,
    pub(in crate::services) hash: String,
}

impl Accounts {
    /// Takes some 20 ms: call it outside of any transaction.
    pub(in crate::services) fn first_password(&self) -> Result<FirstPassword, AccountError> {
        let password = OneTimePassword::generate();
        let hash = self.policy.hash_cost.hash(password.reveal())?;
        Ok(FirstPassword { password, hash })
    }
}

impl NewAccount {
    /// Refuses what can be told to be wrong without asking the database.
    pub(in crate::services) fn check(&self) -> Result<(), AccountError> {
        name("the given name", &self.given_name)?;
        name("the family name", &self.family_name)?;
        email(&self.email).map(drop)
    }
}

/// Makes user, profile and membership, and enters them, in a transaction of the caller's. Returns the user name.
pub(in crate::services) fn make(
    shared: &mut SharedContext,
    new: &NewAccount,
    user: Id<User>,
    password_hash: &str,
    now: NaiveDateTime,
) -> Result<String, AccountError> {
    let given_name = name("the given name", &new.given_name)?;
    let family_name = name("the family name", &new.family_name)?;
    let email = email(&new.email)?;
    let role = match new.membership {
        Some((_, role)) => role,
        None if new.superuser => Role::Superadmin,
        None => Role::Staff,
    };
    let base = username(given_name, family_name, role);
    let taken = users::table.filter(users::email.eq(&email));
    if diesel::select(exists(taken)).get_result(shared)? {
        return Err(AccountError::EmailTaken);
    }
    let like = format!("{base}%");
    let taken = users::table
        .filter(users::username.like(like))
        .select(users::username);
    let username = first_free(&base, &taken.load::<String>(shared)?);
    let row = NewUser {
        id: user,
        username: &username,
        email: &email,
        password_hash,
        created_at: now,
    };
    diesel::insert_into(users::table)
        .values(&row)
        .execute(shared)?;
    diesel::update(users::table.find(user))
        .set((
            users::must_change_password.eq(true),
            users::superuser.eq(new.superuser),
        ))
        .execute(shared)?;
    let profile = NewProfile {
        id: Id::<Profile>::new(),
        user_id: user,
        given_name,
        family_name,
        phone: new.phone.as_deref(),
        language: None,
        time_zone: None,
    };
    diesel::insert_into(profiles::table)
        .values(&profile)
        .execute(shared)?;
    shared.audit(&about(CREATED, user).with("superuser", new.superuser))?;
    if let Some((hospital, role)) = new.membership {
        membership::grant(shared, user, hospital, role, now)?;
    }
    Ok(username)
}

/// Takes an account out that nobody was told the password of, with its memberships, and enters that. Attempts to log in by its name stay, as somebody's.
pub(in crate::services) fn unmake(shared: &mut SharedContext, user: Id<User>) -> QueryResult<()> {
    diesel::update(login_attempts::table.filter(login_attempts::user_id.eq(user)))
        .set(login_attempts::user_id.eq(None::<Id<User>>))
        .execute(shared)?;
    diesel::delete(sessions::table.filter(sessions::user_id.eq(user))).execute(shared)?;
    diesel::delete(user_groups::table.filter(user_groups::user_id.eq(user))).execute(shared)?;
    diesel::delete(tenant_access::table.filter(tenant_access::user_id.eq(user))).execute(shared)?;
    diesel::delete(profiles::table.filter(profiles::user_id.eq(user))).execute(shared)?;
    diesel::delete(users::table.find(user)).execute(shared)?;
    shared.audit(&about(REMOVED, user))
}
