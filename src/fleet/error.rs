//! Why a run over the fleet did not happen, and why one tenant of it failed.
use std::fmt;

use uuid::Uuid;

use crate::backend::{Backend, ConnectError, StorageError, Symptom};
use crate::backup::BackupError;
use crate::error::{CatalogError, LifecycleError, OpenError};
use crate::migrate::{MigrateError, MigrationSetError};
use crate::tenant_id::TenantId;

/// Why a run over the fleet was not begun, or this process could not go on with it.
///
/// A tenant that fails is no such error: it stands in the [report](super::FleetReport).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// The migrations cannot be used. No tenant was touched.
    #[error("the tenant migrations cannot be used; no tenant was touched")]
    Migrations(#[source] MigrationSetError),
    /// The migrations make no database that could be a tenant's. No tenant was touched.
    #[error("the tenant migrations do not make a tenant's database; no tenant was touched")]
    Template(#[source] StorageError),
    /// A tenant that was named is not known.
    #[error("tenant `{id}` is not known; no tenant was touched")]
    UnknownTenant {
        /// The id.
        id: TenantId,
    },
    /// A run with another target or another choice of tenants is being worked on by a living process.
    #[error(
        "run {id} to {} is being worked on; wait for it, one run at a time",
        match version { Some(version) => format!("`{version}`"), None => "no migration".to_owned() }
    )]
    RunActive {
        /// The run.
        id: Uuid,
        /// The newest migration of its target.
        version: Option<String>,
    },
    /// No such run is remembered.
    #[error("run {id} is not known; `Tenancy::fleet_runs` lists the newest 100")]
    UnknownRun {
        /// The id asked for.
        id: Uuid,
    },
    /// A run that is to be gone on with has another target than this program.
    #[error(
        "run {id} is to {}, which is not what this program migrates to; go on with it by the program that began it, or \
         stop it",
        match version { Some(version) => format!("`{version}`"), None => "no migration".to_owned() }
    )]
    OtherTarget {
        /// The run.
        id: Uuid,
        /// The newest migration of its target.
        version: Option<String>,
    },
    /// Whether another process is alive could not be found out.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The catalogue could not be read or written. What was recorded stays; the next call goes on.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl FleetError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RunActive { .. } => true,
            Self::Template(error) | Self::Storage(error) => error.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }
}

/// Why one tenant of a run failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TenantError {
    /// What was to be done before it was migrated failed. It was not migrated.
    #[error("what was to be done before tenant `{id}` is migrated failed")]
    Before {
        /// The tenant.
        id: TenantId,
        /// What the hook said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It could not be backed up. It was not migrated.
    #[error("tenant `{id}` could not be backed up, and so was not migrated")]
    Backup {
        /// The tenant.
        id: TenantId,
        /// Why.
        #[source]
        source: Box<BackupError>,
    },
    /// Migrating it failed.
    #[error(transparent)]
    Migrate(#[from] LifecycleError),
}

impl TenantError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Before { .. } => false,
            Self::Backup { source, .. } => source.is_retryable(),
            Self::Migrate(error) => error.is_retryable(),
        }
    }
}

/// What kind of failure it was, for programs. `as_str` is what is stored and printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// A migration failed and was rolled back.
    MigrationFailed,
    /// A migration left rows without their parents and was rolled back.
    ForeignKeys,
    /// An applied migration was edited.
    MigrationChanged,
    /// An applied migration is not in this program.
    MigrationUnknown,
    /// A pending migration is older than an applied one.
    MigrationOutOfOrder,
    /// A newer program was here.
    SchemaAhead,
    /// The set of migrations is refused.
    MigrationRefused,
    /// Others held the database's lock until the time was up.
    Locked,
    /// Something else was being done to the tenant until the time was up.
    InProgress,
    /// The time was up before all migrations were begun.
    OutOfTime,
    /// The database is not there.
    Missing,
    /// The database is damaged, cut short or empty.
    Damaged,
    /// The database is another tenant's, another catalogue's or another program's.
    Foreign,
    /// The file is a link, a directory, or open to other users.
    Unsafe,
    /// The database is fenced.
    Fenced,
    /// No space is left.
    DiskFull,
    /// The disk failed.
    Io,
    /// The database takes no writes.
    ReadOnly,
    /// The process has no file descriptor left.
    OutOfDescriptors,
    /// The hook that runs before.
    Before,
    /// The backup that is taken before.
    Backup,
    /// The catalogue could not be read or written.
    Catalogue,
    /// Anything else.
    Other,
}

impl FailureKind {
    const ALL: [Self; 23] = [
        Self::MigrationFailed,
        Self::ForeignKeys,
        Self::MigrationChanged,
        Self::MigrationUnknown,
        Self::MigrationOutOfOrder,
        Self::SchemaAhead,
        Self::MigrationRefused,
        Self::Locked,
        Self::InProgress,
        Self::OutOfTime,
        Self::Missing,
        Self::Damaged,
        Self::Foreign,
        Self::Unsafe,
        Self::Fenced,
        Self::DiskFull,
        Self::Io,
        Self::ReadOnly,
        Self::OutOfDescriptors,
        Self::Before,
        Self::Backup,
        Self::Catalogue,
        Self::Other,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MigrationFailed => "migration_failed",
            Self::ForeignKeys => "foreign_keys",
            Self::MigrationChanged => "migration_changed",
            Self::MigrationUnknown => "migration_unknown",
            Self::MigrationOutOfOrder => "migration_out_of_order",
            Self::SchemaAhead => "schema_ahead",
            Self::MigrationRefused => "migration_refused",
            Self::Locked => "locked",
            Self::InProgress => "in_progress",
            Self::OutOfTime => "out_of_time",
            Self::Missing => "missing",
            Self::Damaged => "damaged",
            Self::Foreign => "foreign",
            Self::Unsafe => "unsafe",
            Self::Fenced => "fenced",
            Self::DiskFull => "disk_full",
            Self::Io => "io",
            Self::ReadOnly => "read_only",
            Self::OutOfDescriptors => "out_of_descriptors",
            Self::Before => "before",
            Self::Backup => "backup",
            Self::Catalogue => "catalogue",
            Self::Other => "other",
        }
    }

    /// A word of a newer build is [`Other`](Self::Other) to this one.
    pub(crate) fn parse(word: &str) -> Self {
        let known = Self::ALL.into_iter().find(|kind| kind.as_str() == word);
        known.unwrap_or(Self::Other)
    }

    pub(crate) fn of<C: Backend>(error: &TenantError) -> Self {
        match error {
            TenantError::Before { .. } => Self::Before,
            TenantError::Backup { source, .. } => match &**source {
                BackupError::Source { source, .. } => Self::of_connect::<C>(source),
                BackupError::Locked { .. } => Self::Locked,
                other if other.is_disk_full() => Self::DiskFull,
                _ => Self::Backup,
            },
            TenantError::Migrate(error) => of_lifecycle::<C>(error),
        }
    }

    pub(crate) fn of_migrate<C: Backend>(error: &MigrateError) -> Self {
        match error {
            MigrateError::SchemaAhead { .. } => Self::SchemaAhead,
            MigrateError::MigrationChanged { .. } => Self::MigrationChanged,
            MigrateError::MigrationOutOfOrder { .. } => Self::MigrationOutOfOrder,
            MigrateError::MigrationUnknown { .. } => Self::MigrationUnknown,
            MigrateError::Forbidden(_) | MigrateError::Set(_) => Self::MigrationRefused,
            MigrateError::ForeignKeys { .. } => Self::ForeignKeys,
            MigrateError::Locked { .. } => Self::Locked,
            MigrateError::OutOfTime { .. } => Self::OutOfTime,
            MigrateError::Failed { source, .. } => {
                of_query::<C>(source).unwrap_or(Self::MigrationFailed)
            }
            MigrateError::Ledger { source, .. } => of_query::<C>(source).unwrap_or(Self::Other),
            MigrateError::NotRolledBack { source, .. } => Self::of_migrate::<C>(source),
            MigrateError::InTransaction => Self::Other,
        }
    }

    pub(crate) fn of_connect<C: Backend>(error: &ConnectError) -> Self {
        match error {
            ConnectError::Missing { .. } => Self::Missing,
            ConnectError::Empty { .. } | ConnectError::Damaged { .. } => Self::Damaged,
            ConnectError::Unstamped { .. } | ConnectError::Foreign { .. } => Self::Foreign,
            ConnectError::Unsafe { .. } => Self::Unsafe,
            ConnectError::Fenced { .. } => Self::Fenced,
            ConnectError::OutOfDescriptors { .. } => Self::OutOfDescriptors,
            ConnectError::DiskFull { .. } => Self::DiskFull,
            ConnectError::Setup { source, .. } => of_query::<C>(source).unwrap_or(Self::Other),
            ConnectError::Open { source, .. } => of_connection::<C>(source).unwrap_or(Self::Other),
            _ => Self::Other,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

fn of_lifecycle<C: Backend>(error: &LifecycleError) -> FailureKind {
    match error {
        LifecycleError::InProgress { .. } | LifecycleError::Busy { .. } => FailureKind::InProgress,
        LifecycleError::Migrate { source, .. } => FailureKind::of_migrate::<C>(source),
        LifecycleError::Connect(error)
        | LifecycleError::Storage(StorageError::Connect(error))
        | LifecycleError::Open(OpenError::Connect(error)) => FailureKind::of_connect::<C>(error),
        LifecycleError::Schema { source, .. } => {
            of_query::<C>(source).unwrap_or(FailureKind::Other)
        }
        LifecycleError::Catalog(_) | LifecycleError::Open(OpenError::Catalog(_)) => {
            FailureKind::Catalogue
        }
        LifecycleError::Storage(
            StorageError::Template(_)
            | StorageError::TableOfOtherScope { .. }
            | StorageError::DanglingReference { .. },
        ) => FailureKind::MigrationRefused,
        _ => FailureKind::Other,
    }
}

fn of_query<C: Backend>(error: &diesel::result::Error) -> Option<FailureKind> {
    if C::is_lock_timeout(error) {
        return Some(FailureKind::Locked);
    }
    match C::symptom(error)? {
        Symptom::NoSuchTable(_) => None,
        Symptom::Fenced => Some(FailureKind::Fenced),
        Symptom::DiskFull => Some(FailureKind::DiskFull),
        Symptom::Io => Some(FailureKind::Io),
        Symptom::ReadOnly => Some(FailureKind::ReadOnly),
        Symptom::Damaged => Some(FailureKind::Damaged),
    }
}

/// Opening fails with the same words as a statement does, in an error of another type.
fn of_connection<C: Backend>(error: &diesel::ConnectionError) -> Option<FailureKind> {
    use diesel::result::{ConnectionError, DatabaseErrorKind, Error};
    match error {
        ConnectionError::CouldntSetupConfiguration(error) => of_query::<C>(error),
        ConnectionError::BadConnection(words) => {
            let words = Box::new(words.clone());
            of_query::<C>(&Error::DatabaseError(DatabaseErrorKind::Unknown, words))
        }
        _ => None,
    }
}

/// An error and its causes on one line.
pub(crate) fn on_one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_again_by_its_word() {
        for kind in FailureKind::ALL {
            assert_eq!(FailureKind::parse(kind.as_str()), kind);
        }
        assert_eq!(FailureKind::parse("of a newer build"), FailureKind::Other);
    }

    #[test]
    fn causes_are_told_once() {
        let cause = diesel::result::Error::NotFound;
        let error = CatalogError::Query(cause);
        assert_eq!(
            on_one_line(&FleetError::Catalog(error)),
            "the catalogue cannot be read or changed: Record not found"
        );
    }
}
