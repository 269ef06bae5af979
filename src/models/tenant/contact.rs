//! Messages from the web site.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::id::{Id, SharedRef};
use crate::models::macros::redacted_debug;
use crate::models::schema::tenant::contact_messages;
use crate::models::shared::accounts::User;

/// A message from somebody outside.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = contact_messages)]
pub struct ContactMessage {
    /// Primary key.
    pub id: Id<ContactMessage>,
    /// Who wrote.
    pub name: String,
    /// Where to answer.
    pub email: String,
    /// How to call.
    pub phone: Option<String>,
    /// What about.
    pub subject: String,
    /// The text.
    pub message: String,
    /// Who answered.
    pub handled_by: Option<SharedRef<User>>,
    /// When it was answered (UTC).
    pub handled_at: Option<NaiveDateTime>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`ContactMessage`].
#[derive(Clone, Insertable)]
#[diesel(table_name = contact_messages, treat_none_as_default_value = false)]
pub struct NewContactMessage<'a> {
    /// Primary key.
    pub id: Id<ContactMessage>,
    /// Who wrote.
    pub name: &'a str,
    /// Where to answer.
    pub email: &'a str,
    /// How to call.
    pub phone: Option<&'a str>,
    /// What about.
    pub subject: &'a str,
    /// The text.
    pub message: &'a str,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`ContactMessage`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = contact_messages)]
pub struct ContactMessageChanges {
    /// Who answered.
    pub handled_by: Option<SharedRef<User>>,
    /// When it was answered (UTC).
    pub handled_at: Option<NaiveDateTime>,
}

redacted_debug! {
    ContactMessage { id }
    NewContactMessage<'_> { id }
    ContactMessageChanges {}
}
