//! Why a database was not repaired.
use crate::backend::StorageError;
use crate::error::{CatalogError, LifecycleError, OpenError};
use crate::tenant_id::TenantId;
use crate::verify::{Finding, Health, VerifyError};

/// Why a repair was not planned or not made. The database is as it was, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The database could not be looked at.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// There is nothing that could be mended in place.
    #[error(
        "the database of tenant `{id}` is {health} and cannot be repaired ({reason}); restore it from a backup"
    )]
    NotRepairable {
        /// The tenant.
        id: TenantId,
        /// What its database is.
        health: Health,
        /// The gravest finding.
        reason: Box<Finding>,
    },
    /// A newer program was here.
    #[error(
        "the database of tenant `{id}` has migration {newest}, which is newer than this program; repair it with the newer build"
    )]
    Ahead {
        /// The tenant.
        id: TenantId,
        /// The newest migration found.
        newest: String,
    },
    /// The plan is another tenant's.
    #[error("the plan was made for tenant `{planned}`, not for `{id}`; plan a repair of `{id}`")]
    OtherTenant {
        /// The tenant asked for.
        id: TenantId,
        /// The one the plan was made for.
        planned: TenantId,
    },
    /// The database has changed since the plan was made.
    #[error(
        "the database of tenant `{id}` is not the one the plan was made for any more; plan again"
    )]
    PlanOutdated {
        /// The tenant.
        id: TenantId,
    },
    /// The operation could not begin or be written down.
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// No connection could be had.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The backup before the repair failed.
    #[error("tenant `{id}` was not repaired, because the backup before it failed")]
    Backup {
        /// The tenant.
        id: TenantId,
        /// The reason.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another writer did not let go of the database.
    #[error("tenant `{id}` was not repaired: another writer did not finish in time; try again")]
    Locked {
        /// The tenant.
        id: TenantId,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// A step failed; all of it was taken back.
    #[error("repairing tenant `{id}` failed at this step and was taken back whole: {step}")]
    Step {
        /// The tenant.
        id: TenantId,
        /// What was being done.
        step: String,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// After all steps the schema was still not as planned; all of it was taken back.
    #[error(
        "repairing tenant `{id}` was taken back whole, since this would have remained: {finding}"
    )]
    Remains {
        /// The tenant.
        id: TenantId,
        /// What would have been wrong still.
        finding: Box<Finding>,
    },
    /// A table had another number of rows afterwards; all of it was taken back.
    #[error(
        "repairing tenant `{id}` was taken back whole: `{table}` had {before} rows and would have had {after}"
    )]
    Rows {
        /// The tenant.
        id: TenantId,
        /// The table.
        table: String,
        /// Rows before.
        before: u64,
        /// Rows that were there after the steps.
        after: u64,
    },
    /// More rows than before had a foreign key that leads nowhere; all of it was taken back.
    #[error(
        "repairing tenant `{id}` was taken back whole: {rows} rows of `{table}` would have led to no row of `{parent}`"
    )]
    ForeignKeys {
        /// The tenant.
        id: TenantId,
        /// The child table.
        table: String,
        /// The parent table.
        parent: String,
        /// How many.
        rows: u64,
    },
    /// A file.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The catalogue.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl RepairError {
    /// Whether the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Locked { .. } => true,
            Self::Verify(error) => error.is_retryable(),
            Self::Lifecycle(error) => error.is_retryable(),
            Self::Open(error) => error.is_retryable(),
            Self::Storage(error) => error.is_retryable(),
            Self::Catalog(error) => error.is_retryable(),
            _ => false,
        }
    }
}
