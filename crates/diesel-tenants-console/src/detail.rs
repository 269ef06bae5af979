//! One tenant: its record, its databases, what was found, what can be done.
use std::time::SystemTime;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use diesel_tenants::{
    BackupFilter, BackupRecord, HealthRecord, OldGeneration, Status, Tenancy, TenantId,
    TenantRecord, Usage,
};

use crate::action::Action;
use crate::audit;
use crate::chart;
use crate::console::{App, Shared};
use crate::failure::{Failure, in_full, show};
use crate::session::Operator;
use crate::subscription::{Limit, Subscription};
use crate::view;

/// Backups on the page; there may be many more.
const NEWEST: usize = 20;

/// Entries of the audit log on the page.
const ENTRIES: usize = 10;

/// All that is known of a tenant without reading a row of its tables.
struct Known {
    record: TenantRecord,
    last: Option<HealthRecord>,
    usage: Result<Usage, String>,
    old: Vec<OldGeneration>,
    backups: Vec<BackupRecord>,
    subscription: Result<Option<Subscription>, String>,
    entries: Vec<audit::Row>,
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
        let mut actions = vec![
            Action::Verify,
            Action::Migrate,
            Action::BackUp,
            Action::Compact,
        ];
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

    /// Whether a purge would be carried out, as far as the record says: the library has the last word.
    fn is_due(&self) -> bool {
        let date = self.record.delete_after;
        self.record.legal_hold.is_none() && date.is_some_and(|date| date <= SystemTime::now())
    }

    /// The quota of its own, in MiB.
    fn mebibytes(&self) -> String {
        let own = self.record.quota;
        own.map_or_else(String::new, |bytes| (bytes / 1024 / 1024).to_string())
    }

    fn share(&self, limit: &Limit) -> Option<String> {
        chart::limit(limit)
    }
}

/// `GET /tenants/{id}`.
pub(crate) async fn page(
    State(app): State<App>,
    operator: Operator,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: TenantId = id.parse().map_err(|_| Failure::NotFound)?;
    let tenancy = operator.acting(&app);
    let known = app.blocking(move |app| look(app, &tenancy, &id)).await?;
    Ok(show(&Page {
        me: &operator,
        record: &known.record,
        status: view::status(known.record.status),
        health: view::health(known.last.as_ref().map(|last| last.status)),
        known: &known,
    }))
}

fn look(app: &Shared, tenancy: &Tenancy, id: &TenantId) -> Result<Known, Failure> {
    let handle = tenancy.handle(id).map_err(Failure::unless_unknown)?;
    let record = handle.record()?;
    // A database that cannot be opened is a finding, not the end of the page.
    let usage = tenancy.usage(id);
    let usage = usage.map_err(|error| in_full(&error));
    let subscription = app.subscriptions.of(tenancy, &record);
    let mut backups = tenancy.backups(&BackupFilter::tenant(id))?;
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.taken_at));
    Ok(Known {
        last: tenancy.health(id)?,
        usage,
        old: tenancy.old_generations(id)?,
        subscription: subscription.map_err(|error| in_full(&*error)),
        entries: audit::newest(app, record.uuid, ENTRIES)?,
        backups,
        record: TenantRecord::clone(&record),
    })
}
