//! Messages to the hospital's users.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::id::{Id, SharedRef};
use crate::models::macros::{redacted_debug, text_enum};
use crate::models::schema::tenant::notifications;
use crate::models::shared::accounts::User;

text_enum! {
    /// How much a notification matters.
    pub enum NotificationLevel: "notification level" {
        /// To know.
        Info = "info",
        /// Something worked.
        Success = "success",
        /// Something may go wrong.
        Warning = "warning",
        /// Something went wrong.
        Error = "error",
    }
}

/// A message to a user.
#[derive(Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = notifications)]
pub struct Notification {
    /// Primary key.
    pub id: Id<Notification>,
    /// To whom.
    pub recipient: SharedRef<User>,
    /// How much it matters.
    pub level: NotificationLevel,
    /// The title.
    pub title: String,
    /// The text.
    pub body: String,
    /// Where to go.
    pub link: Option<String>,
    /// From whom; `None` for the program.
    pub sender: Option<SharedRef<User>>,
    /// When it was read (UTC).
    pub read_at: Option<NaiveDateTime>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// A new [`Notification`].
#[derive(Clone, Insertable)]
#[diesel(table_name = notifications, treat_none_as_default_value = false)]
pub struct NewNotification<'a> {
    /// Primary key.
    pub id: Id<Notification>,
    /// To whom.
    pub recipient: SharedRef<User>,
    /// How much it matters.
    pub level: NotificationLevel,
    /// The title.
    pub title: &'a str,
    /// The text.
    pub body: &'a str,
    /// Where to go.
    pub link: Option<&'a str>,
    /// From whom; `None` for the program.
    pub sender: Option<SharedRef<User>>,
    /// When the row was made (UTC).
    pub created_at: NaiveDateTime,
}

/// Changes to a [`Notification`]: `None` leaves the column as it is.
#[derive(Clone, Default, AsChangeset)]
#[diesel(table_name = notifications)]
pub struct NotificationChanges {
    /// When it was read (UTC).
    pub read_at: Option<Option<NaiveDateTime>>,
}

redacted_debug! {
    Notification { id }
    NewNotification<'_> { id }
    NotificationChanges {}
}
