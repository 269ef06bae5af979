//! What users put on their start page.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::id::{Id, SharedRef};
use crate::models::schema::tenant::dashboard_widgets;
use crate::models::shared::accounts::User;

/// A box on a user's start page.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = dashboard_widgets)]
pub struct DashboardWidget {
    /// Primary key.
    pub id: Id<DashboardWidget>,
    /// Whose page.
    pub user_id: SharedRef<User>,
    /// Which box, as in `appointments.today`.
    pub widget: String,
    /// Where, from 0.
    pub position: i32,
    /// Whether it is shown.
    pub visible: bool,
    /// JSON.
    pub options: String,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}

/// A new [`DashboardWidget`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = dashboard_widgets, treat_none_as_default_value = false)]
pub struct NewDashboardWidget<'a> {
    /// Primary key.
    pub id: Id<DashboardWidget>,
    /// Whose page.
    pub user_id: SharedRef<User>,
    /// Which box, as in `appointments.today`.
    pub widget: &'a str,
    /// Where, from 0.
    pub position: i32,
    /// JSON.
    pub options: &'a str,
}

/// Changes to a [`DashboardWidget`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = dashboard_widgets)]
pub struct DashboardWidgetChanges<'a> {
    /// Where, from 0.
    pub position: Option<i32>,
    /// Whether it is shown.
    pub visible: Option<bool>,
    /// JSON.
    pub options: Option<&'a str>,
    /// When the row was last changed (UTC), if ever.
    pub updated_at: Option<NaiveDateTime>,
}
