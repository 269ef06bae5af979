//! Figures computed once a day.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::prelude::*;

use crate::id::Id;
use crate::models::schema::tenant::daily_metrics;

/// A figure of a day.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable, Identifiable)]
#[diesel(table_name = daily_metrics)]
pub struct DailyMetric {
    /// Primary key.
    pub id: Id<DailyMetric>,
    /// The day, in the hospital's time zone.
    pub day: NaiveDate,
    /// What was counted, as in `appointments.completed`.
    pub metric: String,
    /// How many, or minor units for money.
    pub value: i64,
    /// When (UTC).
    pub computed_at: NaiveDateTime,
}

/// A new [`DailyMetric`].
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = daily_metrics, treat_none_as_default_value = false)]
pub struct NewDailyMetric<'a> {
    /// Primary key.
    pub id: Id<DailyMetric>,
    /// The day, in the hospital's time zone.
    pub day: NaiveDate,
    /// What was counted, as in `appointments.completed`.
    pub metric: &'a str,
    /// How many, or minor units for money.
    pub value: i64,
    /// When (UTC).
    pub computed_at: NaiveDateTime,
}

/// Changes to a [`DailyMetric`]: `None` leaves the column as it is.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = daily_metrics)]
pub struct DailyMetricChanges {
    /// How many, or minor units for money.
    pub value: Option<i64>,
    /// When (UTC).
    pub computed_at: Option<NaiveDateTime>,
}
