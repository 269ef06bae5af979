//! Whether a database is what it should be, and exactly what is not.
//!
//! [`Tenancy::verify`] looks at one tenant, [`verify_shared`](Tenancy::verify_shared) at the shared database,
//! [`verify_fleet`](Tenancy::verify_fleet) at everything. Each [`Finding`] is one line; the worst of them decides the
//! [`Health`]. The schema is compared with the one the migrations make, object by object, by what it means: white space,
//! comments, the case of keywords, quotes and the order of columns are no difference.
//!
//! Nothing is changed: the database is opened without creating it, read in one transaction that may not write, and left.
//! (What SQLite itself does on opening a database whose last process was killed, it does here too: it reads the WAL, and
//! moves it into the file when the last connection is closed.)
use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use diesel::result::QueryResult;

use crate::audit::AuditNote;
use crate::backend::{Backend, Storage};
use crate::catalog::health::{HealthRecord, NewHealth};
use crate::catalog::{Status, TenantRecord};
use crate::migrate::MigrateConnection;
use crate::scope::ScopeKind;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

mod error;
mod examine;
mod finding;
mod fleet;
mod history;
#[doc(hidden)]
pub mod schema;

pub use error::VerifyError;
use examine::{Context, examine, refusal, verify_tenant};
pub(crate) use examine::{judge_again, look};
pub use finding::{Finding, MigrationRef};
pub use fleet::{FleetProgress, FleetVerification, Orphan};
#[doc(hidden)]
pub use history::{History, Step};
use schema::Schema;

/// What a database is good for, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Health {
    /// As it should be.
    Ready,
    /// There, and the tenant's, but not as the migrations make it, or with rows that lead nowhere.
    Incomplete,
    /// It could not be looked at.
    Unreachable,
    /// Another tenant's, another catalogue's, or not made by this library.
    Foreign,
    /// Damaged.
    Corrupt,
    /// Not there.
    Missing,
}

impl Health {
    /// Every one, from best to worst.
    pub const ALL: [Self; 6] = [
        Self::Ready,
        Self::Incomplete,
        Self::Unreachable,
        Self::Foreign,
        Self::Corrupt,
        Self::Missing,
    ];

    /// The word for it, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Incomplete => "incomplete",
            Self::Unreachable => "unreachable",
            Self::Foreign => "foreign",
            Self::Corrupt => "corrupt",
            Self::Missing => "missing",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|health| health.as_str() == word)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How thoroughly the pages of a file are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Integrity {
    /// Not at all: only the schema, the ledger and the identity.
    Skip,
    /// Every page, without comparing indexes with their tables. Reads the whole file.
    #[default]
    Quick,
    /// Every page, and each index with its table.
    Full,
}

/// A column of a tenant's table that names a row of the shared database without a foreign key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedRefColumn {
    /// The tenant's table.
    pub table: &'static str,
    /// Its column.
    pub column: &'static str,
    /// The shared table.
    pub target_table: &'static str,
    /// The column there that has the same values.
    pub target_column: &'static str,
}

/// What [`Tenancy::verify`] looks at.
#[derive(Clone, Debug)]
#[must_use]
pub struct VerifyOptions {
    pub(crate) integrity: Integrity,
    pub(crate) foreign_keys: bool,
    pub(crate) shared_refs: Vec<SharedRefColumn>,
    pub(crate) remember: bool,
    pub(crate) workers: usize,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            integrity: Integrity::default(),
            foreign_keys: true,
            shared_refs: Vec::new(),
            remember: true,
            workers: 4,
        }
    }
}

impl VerifyOptions {
    /// How thoroughly the pages are read. Default: [`Integrity::Quick`].
    pub fn integrity(mut self, integrity: Integrity) -> Self {
        self.integrity = integrity;
        self
    }

    /// Whether every row's foreign keys are followed. Default: they are.
    pub fn foreign_keys(mut self, check: bool) -> Self {
        self.foreign_keys = check;
        self
    }

    /// Columns that are followed into the shared database, so that rows which lead to nothing there are found. The
    /// library knows of no model, so there are none unless they are given; the hospital's are
    /// `models::SHARED_REFS`.
    pub fn shared_refs(mut self, columns: &[SharedRefColumn]) -> Self {
        self.shared_refs = columns.to_vec();
        self
    }

    /// Whether the result is kept in the catalogue for [`Tenancy::health`]. Default: it is.
    pub fn remember(mut self, remember: bool) -> Self {
        self.remember = remember;
        self
    }

    /// How many tenants are looked at at once, of a whole fleet. Default 4; at most as many as the budget has
    /// connections.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }
}

/// What was found out about one database.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Verification {
    /// The tenant; `None` for the shared database.
    pub id: Option<TenantId>,
    /// The tenant's place in its life.
    pub tenant_status: Option<Status>,
    /// The generation that was looked at.
    pub generation: u64,
    /// What the database is good for.
    pub status: Health,
    /// What is wrong with it; also what does not hinder its use.
    pub reasons: Vec<Finding>,
    /// When.
    pub checked_at: SystemTime,
}

impl Verification {
    pub(crate) fn of(tenant: &TenantRecord, reasons: Vec<Finding>) -> Self {
        Self::new(Some(tenant), reasons)
    }

    fn new(tenant: Option<&TenantRecord>, mut reasons: Vec<Finding>) -> Self {
        let worst = reasons.iter().map(Finding::health).max();
        reasons.dedup();
        Self {
            id: tenant.map(|record| record.id),
            tenant_status: tenant.map(|record| record.status),
            generation: tenant.map_or(1, |record| record.generation),
            status: worst.unwrap_or(Health::Ready),
            reasons,
            checked_at: SystemTime::now(),
        }
    }

    /// Whether the database is as it should be.
    pub fn is_ready(&self) -> bool {
        self.status == Health::Ready
    }
}

/// The status on the first line, then one line for each finding.
impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "tenant `{id}` is {}", self.status)?,
            None => write!(f, "the shared database is {}", self.status)?,
        }
        for reason in &self.reasons {
            write!(f, "\n  - {reason}")?;
        }
        Ok(())
    }
}

/// What a database is asked while it is verified. Implemented by this crate only.
#[doc(hidden)]
pub trait InspectConnection: MigrateConnection {
    fn read_schema(&mut self) -> QueryResult<Schema>;
    /// Symptoms, each with whether the file is damaged, or only a row breaks a constraint; none where all is sound.
    fn integrity(&mut self, full: bool) -> QueryResult<Vec<(bool, String)>>;
    /// Rows whose foreign key leads nowhere: child, parent, how many.
    fn broken_references(&mut self) -> QueryResult<Vec<(String, String, u64)>>;
    /// Foreign keys to tables that are not there: child and parent.
    fn dangling_references(&mut self) -> QueryResult<Vec<(String, String)>>;
    /// Distinct values of a column in order, as literals, those after `after`.
    fn references(
        &mut self,
        table: &str,
        column: &str,
        after: &str,
        most: usize,
    ) -> QueryResult<Vec<String>>;
    /// Those of `values` that no row has in the column.
    fn absent(&mut self, table: &str, column: &str, values: &[String]) -> QueryResult<Vec<String>>;
    fn rows_with(&mut self, table: &str, column: &str, values: &[String]) -> QueryResult<u64>;
    /// The symptom, if an error says that the database is damaged.
    fn is_damage(error: &diesel::result::Error) -> Option<String>;
}

/// What lies in a tenant's directory beside its databases.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Leftovers {
    /// A rollback journal beside the present generation.
    pub journal: Option<String>,
    pub left: Vec<String>,
    /// Databases of generations that are older than the present one and not kept, and their names.
    pub older: Vec<(u64, String)>,
    /// Generations that are newer than the present one.
    pub newer: Vec<u64>,
    pub unknown: Vec<String>,
    /// Kept generations that are not there.
    pub lost: Vec<u64>,
}

impl<C: Backend> Tenancy<C> {
    /// Looks at a tenant's database, whatever its status, and says what is wrong with it. Changes nothing in it.
    ///
    /// Works on active, suspended and archived tenants, on fenced databases and on those that miss migrations (which are
    /// compared with what their own newest migration leaves behind). Reads the whole file, unless told otherwise; takes
    /// one connection of the budget meanwhile, and hinders no reader or writer. The result is kept for
    /// [`health`](Self::health), and entered into the audit log.
    ///
    /// # Errors
    /// See [`VerifyError`]. A database that is missing, damaged or another's is no error but a [`Health`].
    ///
    /// # Example
    /// ```
    /// use diesel_tenants::prelude::*;
    /// use diesel_tenants::verify::{Health, VerifyOptions};
    /// # use diesel_tenants::MigrationSet;
    /// # mod schema { diesel::table! { users { id -> Integer, } } diesel::table! { patients { id -> Integer, } } }
    /// # routes! { static ROUTES; shared { accounts { schema::users } } tenant { wards { schema::patients } } }
    /// # let dir = tempfile::tempdir()?;
    /// # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(dir.path().join("data")).init().open()?;
    /// let id: TenantId = "TH001".parse()?;
    /// tenancy.create(&id, NewTenant::named("Teaching Hospital"))?;
    /// let found = tenancy.verify(&id, &VerifyOptions::default())?;
    /// assert_eq!(found.status, Health::Ready, "{found}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify(
        &self,
        id: &TenantId,
        options: &VerifyOptions,
    ) -> Result<Verification, VerifyError> {
        let record = self.registry.tenant(id)?.record();
        let (found, uuid) = verify_tenant(&self.registry, &record, options)?;
        let entry = AuditNote::of_library("verify.tenant")
            .about(record.key())
            .generation(found.generation)
            .with("health", found.status.as_str());
        // Of a database that was never made there is nothing to remember.
        let remembered = options.remember && found.tenant_status != Some(Status::Reserved);
        match remembered {
            true => {
                let health = NewHealth::of(uuid, &found);
                self.registry.change(|c| c.health_enter(health, &entry))?;
            }
            // Somebody looks for what is wrong; that it cannot be written down must not hide it.
            false => drop(self.registry.audit(&entry)),
        }
        Ok(found)
    }

    /// Looks at the shared database as [`verify`](Self::verify) does at a tenant's.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub fn verify_shared(&self, options: &VerifyOptions) -> Result<Verification, VerifyError> {
        let common = &self.registry.common;
        let set = &common.shared_migrations;
        let history = common.storage.history(set).map_err(VerifyError::Wanted)?;
        let mut findings = Vec::new();
        match common.storage.connect_shared() {
            Ok(mut conn) => {
                let context = Context {
                    registry: &self.registry,
                    scope: ScopeKind::Shared,
                    set,
                    history: &history,
                };
                examine(&context, &mut conn, options, &mut findings);
            }
            Err(error) => findings.push(refusal(&error)),
        }
        let found = Verification::new(None, findings);
        let entry = AuditNote::of_library("verify.shared").with("health", found.status.as_str());
        // The log is in the very database that may be at fault.
        let _ = self.registry.audit(&entry);
        Ok(found)
    }

    /// What the last [`verify`](Self::verify) of a tenant found, from the catalogue. Opens no tenant database.
    ///
    /// `None` where it was never verified, or has had a new generation since.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub fn health(&self, id: &TenantId) -> Result<Option<HealthRecord>, VerifyError> {
        let record = self.registry.tenant(id)?.record();
        let last = self.registry.ask(|c| c.health_of(record.uuid))?;
        Ok(last.filter(|last| last.generation == record.generation))
    }

    /// The same of all tenants at once, by id: one question to the catalogue, however many there are.
    ///
    /// # Errors
    /// See [`VerifyError`].
    pub fn health_of_all(&self) -> Result<BTreeMap<TenantId, HealthRecord>, VerifyError> {
        let mut all: BTreeMap<_, _> = self
            .registry
            .ask(|c| c.health_of_all())?
            .into_iter()
            .collect();
        let mut by_id = BTreeMap::new();
        for record in self.registry.tenants()? {
            if let Some(last) = all.remove(&record.uuid)
                && last.generation == record.generation
            {
                by_id.insert(record.id, last);
            }
        }
        Ok(by_id)
    }
}
