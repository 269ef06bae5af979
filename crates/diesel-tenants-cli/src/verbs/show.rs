//! `show`
use std::fmt;

use clap::Args;
use diesel_tenants::migrate::SchemaMismatch;
use diesel_tenants::{BackupFilter, Status, TenantId};
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::Fields;
use crate::tenant::Tenant;
use crate::value::Id;

/// Show what is known of one tenant
///
/// As the catalogue has it; its database is not opened. `verify` looks into the database itself.
#[derive(Args, Debug)]
pub struct Show {
    /// The tenant's id
    #[arg(value_parser = Id)]
    id: TenantId,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Shown {
    #[serde(flatten)]
    tenant: Tenant,
    path: String,
    /// Bytes of its database on disk; null where there is no file.
    bytes: Option<u64>,
    /// up-to-date, behind or ahead: its schema beside this program's migrations.
    schema_fits: &'static str,
    /// What it was good for when it was verified last: ready, incomplete, unreachable, foreign, corrupt or missing; null if
    /// it was not, or has a new database since.
    health: Option<String>,
    /// When that was: RFC 3339, UTC.
    verified_at: Option<String>,
    /// When its newest backup was taken: RFC 3339, UTC.
    newest_backup_at: Option<String>,
    /// Old generations that are kept for an undo, newest first.
    kept_generations: Vec<u64>,
    /// What is being done to it, or was when the process that did it died.
    operation: Option<Operation>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Operation {
    kind: String,
    /// Whether the process that does it is alive.
    alive: bool,
}

impl Show {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        let tenancy = app.open()?;
        let record = tenancy.handle(&self.id)?.record()?;
        let file = tenancy.database_file(&self.id)?;
        let unfinished = tenancy.unfinished()?;
        let operation = unfinished
            .into_iter()
            .find(|operation| operation.tenant == self.id);
        let fit = tenancy
            .tenant_migrations()
            .gate(record.schema_version.as_deref());
        let health = tenancy.health(&self.id)?;
        let backups = tenancy.backups(&BackupFilter::tenant(&self.id))?;
        let kept = tenancy.old_generations(&self.id)?;
        app.emit(&Shown {
            health: health.as_ref().map(|last| last.status.to_string()),
            verified_at: health.as_ref().map(|last| show::iso(last.checked_at)),
            newest_backup_at: backups.first().map(|backup| show::iso(backup.taken_at)),
            kept_generations: kept.iter().map(|old| old.generation).collect(),
            tenant: Tenant::of(&record),
            path: show::path(&file.path),
            bytes: file.bytes,
            schema_fits: match fit {
                Ok(()) => "up-to-date",
                Err(SchemaMismatch::Ahead { .. }) => "ahead",
                Err(_) => "behind",
            },
            operation: operation.map(|operation| Operation {
                kind: operation.kind.to_string(),
                alive: operation.alive,
            }),
        })
    }
}

impl Document for Shown {
    const SCHEMA: &'static str = "show/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        let Self {
            tenant, operation, ..
        } = self;
        let operation = operation.as_ref().map(|operation| match operation.alive {
            true => format!("{} is under way", operation.kind),
            false => format!("{} was cut short", operation.kind),
        });
        let version = show::or_dash(tenant.schema_version.as_ref());
        writeln!(f, "{} ({})", tenant.id, tenant.name)?;
        let reserved = tenant.record.status == Status::Reserved;
        let unless_reserved = |text: String| (!reserved).then_some(text);
        let size = self.bytes.map_or_else(|| "missing".to_owned(), show::bytes);
        let schema = format!("{version} ({})", self.schema_fits);
        let kept: Vec<String> = self.kept_generations.iter().map(u64::to_string).collect();
        let health = self.health.as_ref().zip(self.verified_at.as_ref());
        let fields = Fields::new()
            .with("status", show::status(tenant.record.status).to_string())
            .with_some("operation", operation)
            .with("uuid", &tenant.uuid)
            .with_some("subdomain", tenant.subdomain.as_ref())
            .with_some("plan", tenant.plan.as_ref())
            .with("database", if reserved { "none yet" } else { &self.path })
            .with_some("size", unless_reserved(size))
            .with_some("generation", unless_reserved(tenant.generation.to_string()))
            .with_some("schema", unless_reserved(schema))
            .with_some("quota", tenant.quota_bytes.map(show::bytes))
            .with_some("legal hold", tenant.legal_hold.as_ref())
            .with_some("deleted, kept until", tenant.delete_after.as_ref())
            .with(
                "health",
                health.map_or_else(
                    || "never verified".to_owned(),
                    |(health, at)| format!("{health} ({at})"),
                ),
            )
            .with(
                "newest backup",
                self.newest_backup_at.as_deref().unwrap_or("none"),
            )
            .with_some(
                "kept generations",
                Some(kept.join(", ")).filter(|kept| !kept.is_empty()),
            )
            .with(
                "created",
                format!(
                    "{} ({})",
                    tenant.created_at,
                    show::ago(tenant.record.created_at)
                ),
            )
            .with(
                "changed",
                format!(
                    "{} ({})",
                    tenant.changed_at,
                    show::ago(tenant.record.changed_at)
                ),
            );
        write!(f, "{fields}")
    }
}
