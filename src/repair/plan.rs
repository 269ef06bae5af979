//! What a repair would do: made by reading, in words and in SQL.
use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use diesel::result::QueryResult;
use sha2::{Digest, Sha256};

use super::RepairError;
use crate::backend::{Backend, Storage};
use crate::catalog::TenantRecord;
use crate::migrate::{LedgerRow, MigrateConnection, MigrationSet};
use crate::registry::Registry;
use crate::tenant_id::TenantId;
use crate::verify::schema::Schema;
use crate::verify::{self, Finding, Health, Integrity, VerifyOptions};

/// Values for columns that must not be NULL and whose rows hold nothing.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Fills(BTreeMap<(String, String), String>);

impl Fills {
    /// The literal for a column.
    pub fn get(&self, table: &str, column: &str) -> Option<&str> {
        let key = (table.to_ascii_lowercase(), column.to_ascii_lowercase());
        self.0.get(&key).map(String::as_str)
    }

    /// A column that no table has by these migrations.
    fn unknown(&self, wanted: &Schema) -> Option<(String, String)> {
        let is_known = |(table, column): &&(String, String)| {
            let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
            let mut tables = wanted.tables.values().filter(|it| same(&it.name, table));
            tables.any(|it| it.columns.values().any(|it| same(&it.name, column)))
        };
        self.0.keys().find(|key| !is_known(key)).cloned()
    }
}

/// A value to be filled into rows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SqlLiteral {
    /// An integer, also for dates and booleans kept as numbers.
    Integer(i64),
    /// A text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl SqlLiteral {
    fn sql(&self) -> String {
        match self {
            Self::Integer(value) => value.to_string(),
            // A literal ends with the first NUL.
            Self::Text(text) if text.contains('\0') => {
                format!("CAST({} AS TEXT)", blob(text.as_bytes()))
            }
            Self::Text(text) => format!("'{}'", text.replace('\'', "''")),
            Self::Blob(bytes) => blob(bytes),
        }
    }
}

fn blob(bytes: &[u8]) -> String {
    format!("x'{}'", data_encoding::HEXLOWER.encode(bytes))
}

impl From<i64> for SqlLiteral {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for SqlLiteral {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// How a repair is planned.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RepairOptions {
    fills: Fills,
    without_backup: bool,
}

impl RepairOptions {
    /// Gives rows that hold nothing in a column that must not be NULL this value; see [`RepairPlan::needs`].
    pub fn fill(mut self, table: &str, column: &str, value: impl Into<SqlLiteral>) -> Self {
        let key = (table.to_ascii_lowercase(), column.to_ascii_lowercase());
        self.fills.0.insert(key, value.into().sql());
        self
    }

    /// Repairs without a backup before. Default: one is taken, and without one nothing is done.
    pub fn without_backup(mut self) -> Self {
        self.without_backup = true;
        self
    }
}

/// One step of a repair.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RepairStep {
    /// What it does, in words.
    pub text: String,
    /// The statements, in order.
    pub sql: Vec<String>,
    /// Rows for the migration ledger.
    #[serde(skip)]
    pub(super) record: Option<LedgerRow>,
}

impl RepairStep {
    pub(crate) fn new(text: String, sql: Vec<String>) -> Self {
        let record = None;
        Self { text, sql, record }
    }
}

/// What a repair does not mend, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LeftAlone {
    /// What is wrong.
    pub finding: Finding,
    /// Why it is left.
    pub why: String,
}

/// A value that only somebody who knows the data can give: see [`RepairOptions::fill`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct NeededValue {
    /// The table.
    pub table: String,
    /// The column that must not be NULL.
    pub column: String,
    /// Its type.
    pub declared_type: String,
    /// How many rows hold nothing.
    pub rows: u64,
}

/// What a database system makes of the findings.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Planned {
    pub steps: Vec<RepairStep>,
    pub left: Vec<LeftAlone>,
    pub needs: Vec<NeededValue>,
    pub notes: Vec<String>,
}

/// What a database is asked when it is repaired. Implemented by this crate only.
#[doc(hidden)]
pub trait RepairConnection: MigrateConnection {
    /// Reads only.
    fn plan_steps(
        &mut self,
        found: &Schema,
        wanted: &Schema,
        findings: &[Finding],
        set: &MigrationSet,
        fills: &Fills,
    ) -> QueryResult<Planned>;
    /// What takes the fence out.
    fn unfence_statements(&mut self) -> QueryResult<Vec<String>>;
    /// Takes the write lock, with what a rebuild needs turned off. The connection is good for nothing else afterwards.
    fn begin_repair(&mut self) -> QueryResult<()>;
    fn row_counts(&mut self, schema: &Schema) -> QueryResult<BTreeMap<String, u64>>;
}

/// What a repair would do, made by [`Tenancy::plan_repair`](crate::Tenancy::plan_repair). `Display` is for people, with the SQL; nothing of it has
/// happened.
#[derive(Clone, Debug, serde::Serialize)]
#[non_exhaustive]
pub struct RepairPlan {
    /// The tenant.
    pub id: TenantId,
    /// The generation it was made for.
    pub generation: u64,
    /// A hash of the schema and ledger it was made for: on any other database it is refused.
    pub fingerprint: String,
    /// What would be done, in this order and in one transaction.
    pub steps: Vec<RepairStep>,
    /// What would not be mended, and why.
    pub left: Vec<LeftAlone>,
    /// Values without which some of it cannot be mended.
    pub needs: Vec<NeededValue>,
    /// What else should be known.
    pub notes: Vec<String>,
    /// Whether a backup is taken first.
    pub backup: bool,
}

impl RepairPlan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the database is as it should be afterwards.
    pub fn is_complete(&self) -> bool {
        self.left
            .iter()
            .all(|left| left.finding.health() == Health::Ready)
    }
}

impl fmt::Display for RepairPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.steps.len() {
            0 => write!(f, "nothing to do on tenant `{}`", self.id)?,
            1 => write!(f, "repairing tenant `{}` would be one step", self.id)?,
            steps => write!(f, "repairing tenant `{}` would be {steps} steps", self.id)?,
        }
        if !self.steps.is_empty() && self.backup {
            f.write_str(", after a backup")?;
        }
        for (number, step) in self.steps.iter().enumerate() {
            write!(f, "\n{:3}. {}", number + 1, step.text)?;
            for sql in &step.sql {
                for line in sql.lines() {
                    write!(f, "\n       {line}")?;
                }
                f.write_str(";")?;
            }
        }
        for needed in &self.needs {
            write!(
                f,
                "\n  ? `{}`.`{}` ({}) needs a value for {} rows",
                needed.table, needed.column, needed.declared_type, needed.rows
            )?;
        }
        for left in &self.left {
            write!(f, "\n  - left alone: {} ({})", left.finding, left.why)?;
        }
        for note in &self.notes {
            write!(f, "\n  ! {note}")?;
        }
        Ok(())
    }
}

pub(super) fn plan<C: Backend>(
    registry: &Registry<C>,
    record: &TenantRecord,
    options: &RepairOptions,
) -> Result<RepairPlan, RepairError> {
    let id = record.id;
    // A damaged file must not be taken for one that drifted: every page is read.
    let look = VerifyOptions::default().integrity(Integrity::Quick);
    let (findings, examined) = verify::look(registry, record, &look)?;
    refuse_lost(id, &findings)?;
    let examined = examined.expect("what could not be examined has a finding that was refused");
    let common = &registry.common;
    let history = common.history().map_err(verify::VerifyError::Wanted)?;
    let wanted = history.schema_at(examined.judgement.step);
    if let Some((table, column)) = options.fills.unknown(&wanted) {
        return Err(RepairError::NoSuchColumn { id, table, column });
    }
    let mut conn = common
        .storage
        .connect_to_inspect(&record.key(), record.generation)
        .map_err(crate::error::OpenError::Connect)?;
    let set = &common.tenant_migrations;
    let planned = conn
        .set_read_only(true)
        .and_then(|()| conn.plan_steps(&examined.schema, &wanted, &findings, set, &options.fills));
    let read = |source| RepairError::Step {
        id,
        step: "reading what would have to be done".to_owned(),
        source,
    };
    let mut planned = planned.map_err(read)?;
    let mut steps = Vec::new();
    for finding in &findings {
        match finding {
            Finding::Fenced => {
                let sql = conn.unfence_statements().map_err(read)?;
                steps.push(RepairStep::new(
                    "take out the fence nobody needs any more".to_owned(),
                    sql,
                ));
            }
            Finding::MigrationNotRecorded { version, .. } => {
                if let Some(script) = set.get(version) {
                    planned.steps.push(RepairStep {
                        text: format!("record migration {version} ({}) as applied", script.name()),
                        sql: Vec::new(),
                        record: Some(LedgerRow {
                            version: version.clone(),
                            name: script.name().to_owned(),
                            checksum: script.checksum().to_vec(),
                            applied_at: crate::catalog::to_millis(SystemTime::now()),
                        }),
                    });
                }
            }
            Finding::CatalogVersion { .. } | Finding::CatalogFingerprint => {
                let text = "write what the database's schema is into the catalogue".to_owned();
                planned.steps.push(RepairStep::new(text, Vec::new()));
            }
            // The rebuild that loosens what the rows break mends it.
            Finding::RowsBreakConstraint { text } if is_too_narrow(&findings, text) => {}
            // The rebuild that takes such a key out mends it.
            Finding::DanglingReference { table, .. } if is_extra_key(&findings, table) => {}
            other => planned
                .left
                .extend(not_repaired(other).map(|why| LeftAlone {
                    finding: other.clone(),
                    why: why.to_owned(),
                })),
        }
    }
    let is_left = |version: &str| {
        let by = |left: &LeftAlone| {
            left.finding
                .migration()
                .is_some_and(|by| by.version == version)
        };
        planned.left.iter().any(by)
    };
    let partly = findings.iter().filter(|finding| {
        matches!(finding, Finding::MigrationWithoutEffect { version, .. } if is_left(version))
    });
    let partly: Vec<_> = partly
        .map(|finding| LeftAlone {
            finding: finding.clone(),
            why: "not all it makes can be made".to_owned(),
        })
        .collect();
    planned.left.extend(partly);
    steps.append(&mut planned.steps);
    Ok(RepairPlan {
        id,
        generation: record.generation,
        fingerprint: fingerprint(&examined.schema, &examined.ledger, examined.fenced),
        steps,
        left: planned.left,
        needs: planned.needs,
        notes: planned.notes,
        backup: !options.without_backup,
    })
}

/// Whether a table has a foreign key that it should not have.
fn is_extra_key(findings: &[Finding], child: &str) -> bool {
    findings.iter().any(|finding| match finding {
        Finding::UnexpectedForeignKey { table, .. } | Finding::ForeignKeyDiffers { table, .. } => {
            table.eq_ignore_ascii_case(child)
        }
        _ => false,
    })
}

/// Whether what rows break is a constraint that should not be there.
fn is_too_narrow(findings: &[Finding], broken: &str) -> bool {
    findings.iter().any(|finding| match finding {
        Finding::Nullability {
            table,
            column,
            not_null: false,
        } => broken.ends_with(&format!(" value in {table}.{column}")),
        Finding::UnexpectedCheck { table, .. } => broken.ends_with(&format!(" failed in {table}")),
        _ => false,
    })
}

/// Why a finding that is not about the schema is not mended by a repair.
fn not_repaired(finding: &Finding) -> Option<&'static str> {
    Some(match finding {
        Finding::SharedRefUnchecked { .. } => "what it leads to could not be read",
        Finding::RowsBreakConstraint { .. }
        | Finding::ForeignKeyRows { .. }
        | Finding::SharedRefOrphans { .. } => {
            "which rows are right is for somebody to say who knows them"
        }
        Finding::DanglingReference { .. } => "it is part of a table's definition",
        Finding::MigrationEdited { .. } => "what the edited script would have done is not known",
        Finding::MigrationUnknown { .. } => "this program does not have it",
        Finding::MigrationOutOfOrder { .. } => "a migration is applied by migrating",
        Finding::Behind { .. } => "pending migrations are applied by migrating",
        Finding::UnknownFile { .. } | Finding::Leftover { .. } => "no file is removed by a repair",
        Finding::UnknownGeneration { .. } => "which generation has the newest rows is not known",
        Finding::RetainedGenerationMissing { .. } => "it can only come from a backup",
        Finding::ReferenceLost { .. } => "its rows come from the application; push a newer version",
        _ => return None,
    })
}

fn refuse_lost(id: TenantId, findings: &[Finding]) -> Result<(), RepairError> {
    let worst = findings.iter().max_by_key(|finding| finding.health());
    if let Some(reason) = worst
        && reason.health() > Health::Incomplete
    {
        return Err(RepairError::NotRepairable {
            id,
            health: reason.health(),
            reason: Box::new(reason.clone()),
        });
    }
    let ahead = findings.iter().find_map(|finding| match finding {
        Finding::Ahead { newest } => Some(newest.clone()),
        _ => None,
    });
    match ahead {
        Some(newest) => Err(RepairError::Ahead { id, newest }),
        None => Ok(()),
    }
}

pub(super) fn fingerprint(schema: &Schema, ledger: &[LedgerRow], fenced: bool) -> String {
    let mut hash = Sha256::new();
    hash.update(schema.fingerprint());
    for row in ledger {
        hash.update(&row.version);
        hash.update(&row.checksum);
    }
    hash.update([u8::from(fenced)]);
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_all_of_its_text() {
        let sql = |text: &str| SqlLiteral::from(text).sql();
        assert_eq!(sql("O'Brien"), "'O''Brien'");
        assert_eq!(sql("a\0b"), "CAST(x'610062' AS TEXT)");
        assert_eq!(SqlLiteral::Blob(vec![0, 255]).sql(), "x'00ff'");
    }
}
