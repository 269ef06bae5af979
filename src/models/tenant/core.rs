//! The hospital's settings and the counters its numbers come from.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::id::SharedRef;
use crate::models::macros::redacted_debug;
use crate::models::schema::tenant::{number_sequences, settings};
use crate::models::shared::accounts::User;

/// A value the hospital chose.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = settings, primary_key(key))]
pub struct Setting {
    /// What is set, as in `appointment.minutes`.
    pub key: String,
    /// What it is set to.
    pub value: String,
    /// What it does.
    pub description: Option<String>,
    /// Who set it.
    pub updated_by: Option<SharedRef<User>>,
    /// When it was set (UTC).
    pub updated_at: NaiveDateTime,
}

/// A new [`Setting`].
#[derive(Clone, Insertable)]
#[diesel(table_name = settings, treat_none_as_default_value = false)]
pub struct NewSetting<'a> {
    /// What is set, as in `appointment.minutes`.
    pub key: &'a str,
    /// What it is set to.
    pub value: &'a str,
    /// What it does.
    pub description: Option<&'a str>,
    /// Who set it.
    pub updated_by: Option<SharedRef<User>>,
    /// When it was set (UTC).
    pub updated_at: NaiveDateTime,
}

/// Changes to a [`Setting`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = settings)]
pub struct SettingChanges<'a> {
    /// What it is set to.
    pub value: Option<&'a str>,
    /// What it does.
    pub description: Option<Option<&'a str>>,
    /// Who set it.
    pub updated_by: Option<Option<SharedRef<User>>>,
    /// When it was set (UTC).
    pub updated_at: Option<NaiveDateTime>,
}

redacted_debug! {
    Setting { key }
    NewSetting<'_> { key }
    SettingChanges<'_> {}
}

/// The next number of a kind in a period, taken in the transaction that uses it.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = number_sequences, primary_key(kind, period))]
pub struct NumberSequence {
    /// What is numbered, as in `invoice`.
    pub kind: String,
    /// When counting starts anew, as in `2026-03`; empty when it never does.
    pub period: String,
    /// The number that was not given out yet.
    pub next: i64,
}

/// A new [`NumberSequence`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = number_sequences, treat_none_as_default_value = false)]
pub struct NewNumberSequence<'a> {
    /// What is numbered, as in `invoice`.
    pub kind: &'a str,
    /// When counting starts anew, as in `2026-03`; empty when it never does.
    pub period: &'a str,
    /// The number that was not given out yet.
    pub next: i64,
}

/// Changes to a [`NumberSequence`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = number_sequences)]
pub struct NumberSequenceChanges {
    /// The number that was not given out yet.
    pub next: Option<i64>,
}
