//! One tenant: its record, its databases, what was found, what can be done.
use std::time::SystemTime;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::hospitals;
use diesel_tenants::models::shared::accounts::Hospital;
use diesel_tenants::prelude::*;
use diesel_tenants::services::{now, subscriptions};
use diesel_tenants::{
    BackupFilter, BackupRecord, HealthRecord, OldGeneration, TenantRecord, Usage,
};

use crate::action::Action;
use crate::chart;
use crate::console::{App, Shared};
use crate::failure::{Failure, show};
use crate::session::Operator;
use crate::view;

/// Backups on the page; there may be many more.
const NEWEST: usize = 20;

/// All that is known of a tenant without reading a row of its tables.
struct Known {
    record: TenantRecord,
    last: Option<HealthRecord>,
    usage: Result<Usage, String>,
    old: Vec<OldGeneration>,
    backups: Vec<BackupRecord>,
    /// State, last day and days left.
    subscription: Option<(String, String, i64)>,
}

#[derive(Template)]
#[template(path = "detail.html")]
struct Page<'a> {
    me: &'a Operator,
    record: &'a TenantRecord,
    known: &'a Known,
    status: view::State,
    health: view::State,
}

impl Page<'_> {
    fn when(&self, time: &SystemTime) -> view::Moment {
        view::moment(*time)
    }

    fn bytes(&self, bytes: &u64) -> String {
        view::bytes(*bytes)
    }

    fn size_chart(&self, usage: &Usage) -> String {
        chart::size(usage)
    }

    fn backup_chart(&self) -> String {
        chart::backups(&self.known.backups)
    }

    fn newest(&self) -> &[BackupRecord] {
        let newest = self.known.backups.len().min(NEWEST);
        &self.known.backups[..newest]
    }

    fn address(&self, action: &Action) -> String {
        let path = format!("/tenants/{}/{}", self.record.id, action.as_str());
        self.me.mount.to(&path)
    }

    /// What one press of a button does in the tenant's status.
    fn simple(&self) -> Vec<Action> {
        let mut actions = vec![Action::Verify, Action::Migrate, Action::BackUp];
        match self.record.status {
            Status::Active => actions.push(Action::Suspend),
            Status::Suspended => actions.extend([Action::Resume, Action::Archive]),
            Status::Archived if self.record.delete_after.is_some() => {
                actions.push(Action::Undelete);
            }
            Status::Archived => actions.push(Action::Unarchive),
            _ => {}
        }
        actions
    }

    fn may_recreate(&self) -> bool {
        matches!(self.record.status, Status::Active | Status::Suspended)
    }

    fn may_delete(&self) -> bool {
        self.record.status == Status::Archived
    }
}

/// `GET /tenants/{id}`.
pub(crate) async fn page(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: TenantId = id.parse().map_err(|_| Failure::NotFound)?;
    let known = app.blocking(move |app| look(app, &id)).await?;
    Ok(show(&Page {
        me: &operator,
        record: &known.record,
        status: view::status(known.record.status),
        health: view::health(known.last.as_ref().map(|last| last.status)),
        known: &known,
    }))
}

fn look(app: &Shared, id: &TenantId) -> Result<Known, Failure> {
    let tenancy = &app.tenancy;
    let handle = tenancy.handle(id).map_err(|error| match error {
        diesel_tenants::OpenError::UnknownTenant { .. } => Failure::NotFound,
        error => error.into(),
    })?;
    let record = handle.record()?;
    // A database that cannot be opened is a finding, not the end of the page.
    let usage = tenancy.usage(id);
    let usage = usage.map_err(|error| crate::failure::in_full(&error));
    let mut backups = tenancy.backups(&BackupFilter::tenant(id))?;
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.taken_at));
    Ok(Known {
        last: tenancy.health(id)?,
        usage,
        old: tenancy.old_generations(id)?,
        subscription: subscription(app, id)?,
        backups,
        record: TenantRecord::clone(&record),
    })
}

fn subscription(app: &Shared, id: &TenantId) -> Result<Option<(String, String, i64)>, Failure> {
    let shared = &mut app.tenancy.shared()?;
    let hospital = hospitals::table
        .filter(hospitals::code.eq(id.as_str()))
        .select(hospitals::id);
    let hospital: Option<Id<Hospital>> = hospital.first(shared).optional()?;
    let Some(hospital) = hospital else {
        return Ok(None);
    };
    let present = subscriptions::current(shared, hospital)?;
    let today = now().date();
    Ok(present.map(|present| {
        let state = present.state.as_str().replace('_', " ");
        let last = present.last_day();
        let last = last.map_or_else(String::new, |day| day.to_string());
        (state, last, present.days_remaining(today))
    }))
}
