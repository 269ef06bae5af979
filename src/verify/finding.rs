//! What was found to be wrong with a database, one line each.
use std::fmt;

use super::Health;

/// A migration that should have made what is missing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct MigrationRef {
    /// Its version.
    pub version: String,
    /// Its name.
    pub name: String,
    /// Whether the database's ledger says that it was applied.
    pub recorded: bool,
}

/// One thing in which a database is not as it should be.
///
/// `Display` is one line that says what is wrong and, where it is not plain, what to do; it holds names and
/// definitions, never a row's values. Serialized it is an object whose `kind` names the variant in `snake_case`.
/// Tables, columns and definitions are named as they are written in the migrations, foreign keys and unique columns in
/// lower case.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the fields are what their names say, in the words of the variant"
)]
pub enum Finding {
    /// The tenant is registered, and its database was never made.
    Reserved,
    /// There is no file where the catalogue says it is.
    Missing,
    /// The file has no bytes. That is no empty tenant: its rows are gone.
    EmptyFile,
    /// The stamp is missing.
    Unstamped,
    /// The stamp is another tenant's, catalogue's or generation's.
    Foreign {
        found: String,
    },
    /// The file is a link, a pipe, another user's, or open to other users.
    UnsafeFile {
        reason: String,
    },
    /// It could not be opened or read.
    Unreadable {
        reason: String,
    },
    /// A rollback journal lies beside it: opening the database would apply it.
    StaleJournal {
        file: String,
    },
    /// It is cut short, or pages of it are damaged.
    Damaged {
        symptom: String,
    },
    /// Fenced although nothing is being done to the tenant: nobody can write.
    Fenced,

    /// Rows that break a NOT NULL, CHECK or type of their own table, in the database system's words.
    RowsBreakConstraint {
        text: String,
    },
    /// Rows whose foreign key leads to no row.
    ForeignKeyRows {
        table: String,
        parent: String,
        rows: u64,
    },
    /// A foreign key to a table that this database does not have.
    DanglingReference {
        table: String,
        parent: String,
    },
    /// Rows whose shared reference leads to no row of the shared database.
    SharedRefOrphans {
        table: String,
        column: String,
        target_table: String,
        target_column: String,
        rows: u64,
    },
    /// A shared reference that could not be followed.
    SharedRefUnchecked {
        table: String,
        column: String,
        reason: String,
    },

    /// A table of the other scope.
    WrongScope {
        table: String,
    },
    MissingTable {
        table: String,
        migration: Option<MigrationRef>,
    },
    UnexpectedTable {
        table: String,
    },
    /// STRICT, WITHOUT ROWID, AUTOINCREMENT or what a virtual table is made of.
    TableKind {
        table: String,
        found: String,
        wanted: String,
    },
    MissingColumn {
        table: String,
        column: String,
        migration: Option<MigrationRef>,
    },
    UnexpectedColumn {
        table: String,
        column: String,
    },
    ColumnType {
        table: String,
        column: String,
        found: String,
        wanted: String,
    },
    /// Whether it may be NULL; `not_null` is what it should be.
    Nullability {
        table: String,
        column: String,
        not_null: bool,
    },
    Default {
        table: String,
        column: String,
        found: Option<String>,
        wanted: Option<String>,
    },
    Generated {
        table: String,
        column: String,
        found: Option<String>,
        wanted: Option<String>,
    },
    Collation {
        table: String,
        column: String,
        found: Option<String>,
        wanted: Option<String>,
    },
    PrimaryKey {
        table: String,
        found: Vec<String>,
        wanted: Vec<String>,
    },
    MissingCheck {
        table: String,
        check: String,
    },
    UnexpectedCheck {
        table: String,
        check: String,
    },
    MissingUnique {
        table: String,
        columns: Vec<String>,
    },
    UnexpectedUnique {
        table: String,
        columns: Vec<String>,
    },
    MissingForeignKey {
        table: String,
        columns: Vec<String>,
        parent: String,
    },
    UnexpectedForeignKey {
        table: String,
        columns: Vec<String>,
        parent: String,
    },
    ForeignKeyDiffers {
        table: String,
        columns: Vec<String>,
        found: String,
        wanted: String,
    },
    MissingIndex {
        table: String,
        index: String,
        migration: Option<MigrationRef>,
    },
    UnexpectedIndex {
        table: String,
        index: String,
    },
    IndexDiffers {
        table: String,
        index: String,
        found: String,
        wanted: String,
    },
    MissingTrigger {
        table: String,
        trigger: String,
        migration: Option<MigrationRef>,
    },
    UnexpectedTrigger {
        table: String,
        trigger: String,
    },
    TriggerDiffers {
        table: String,
        trigger: String,
    },
    MissingView {
        view: String,
        migration: Option<MigrationRef>,
    },
    UnexpectedView {
        view: String,
    },
    ViewDiffers {
        view: String,
    },

    /// Recorded as applied, and of what it makes `missing` of `made` things are not there.
    MigrationWithoutEffect {
        version: String,
        name: String,
        missing: usize,
        made: usize,
    },
    /// Everything it makes is there, and the ledger does not know it.
    MigrationNotRecorded {
        version: String,
        name: String,
    },
    /// Its script was edited after it was applied.
    MigrationEdited {
        version: String,
        name: String,
    },
    /// Recorded, and not among the migrations of this program.
    MigrationUnknown {
        version: String,
        name: String,
    },
    /// Not applied, although a newer one is.
    MigrationOutOfOrder {
        version: String,
        name: String,
        newer: String,
    },
    /// Migrations are pending.
    Behind {
        pending: usize,
        next: String,
    },
    /// A newer program was here; the schema cannot be judged.
    Ahead {
        newest: String,
    },

    /// The catalogue has another newest migration than the database.
    CatalogVersion {
        catalog: Option<String>,
        found: Option<String>,
    },
    /// The catalogue has seen a newer version of a reference list in this very database than is there: pushes of that
    /// version pass it by.
    ReferenceLost {
        list: String,
        seen: u64,
        found: Option<u64>,
    },
    /// The catalogue's fingerprint is not that of the schema, although the schema is as it should be.
    CatalogFingerprint,
    /// A file in the tenant's directory that is none of its databases.
    UnknownFile {
        file: String,
    },
    /// What a killed operation or process left: a staging file, or a side file without its database.
    Leftover {
        file: String,
    },
    /// A generation that is newer than the one the catalogue names: the catalogue is older than the databases, and the
    /// newest rows are in this one.
    NewerGeneration {
        generation: u64,
    },
    /// A generation that is older than the one the catalogue names, is not kept, and was never closed: rows may have been
    /// written to it that are in no other.
    UnknownGeneration {
        generation: u64,
    },
    /// A generation that was kept and is not there: what replaced it cannot be undone.
    RetainedGenerationMissing {
        generation: u64,
    },
}

impl Finding {
    /// What a database with this finding is at best. [`Health::Ready`] for what does not hinder its use.
    pub fn health(&self) -> Health {
        match self {
            Self::Missing | Self::EmptyFile => Health::Missing,
            Self::Unstamped | Self::Foreign { .. } => Health::Foreign,
            Self::UnsafeFile { .. }
            | Self::Unreadable { .. }
            | Self::StaleJournal { .. }
            | Self::NewerGeneration { .. }
            | Self::UnknownGeneration { .. } => Health::Unreachable,
            Self::Damaged { .. } => Health::Corrupt,
            Self::CatalogFingerprint
            | Self::UnknownFile { .. }
            | Self::Leftover { .. }
            | Self::RetainedGenerationMissing { .. } => Health::Ready,
            _ => Health::Incomplete,
        }
    }

    /// The name of the variant in `snake_case`, as it is serialized.
    pub fn kind(&self) -> String {
        // One word for each variant is written down once, by serde.
        match serde_json::to_value(self) {
            Ok(serde_json::Value::Object(fields)) => match fields.get("kind") {
                Some(serde_json::Value::String(kind)) => kind.clone(),
                _ => String::new(),
            },
            _ => String::new(),
        }
    }

    /// The migration that should have made what is missing.
    pub(crate) fn migration(&self) -> Option<&MigrationRef> {
        match self {
            Self::MissingTable { migration, .. }
            | Self::MissingColumn { migration, .. }
            | Self::MissingIndex { migration, .. }
            | Self::MissingTrigger { migration, .. }
            | Self::MissingView { migration, .. } => migration.as_ref(),
            _ => None,
        }
    }

    /// Sets the migration that should have made what is missing.
    pub(super) fn set_migration(&mut self, by: MigrationRef) {
        if let Self::MissingTable { migration, .. }
        | Self::MissingColumn { migration, .. }
        | Self::MissingIndex { migration, .. }
        | Self::MissingTrigger { migration, .. }
        | Self::MissingView { migration, .. } = self
        {
            *migration = Some(by);
        }
    }
}

/// `, which migration …`
struct By<'a>(&'a Option<MigrationRef>);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(by) = self.0 else { return Ok(()) };
        write!(f, "; migration {} ({}) makes it", by.version, by.name)?;
        match by.recorded {
            true => f.write_str(" and is recorded as applied"),
            false => Ok(()),
        }
    }
}

fn or_none(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or("none")
}

fn list(columns: &[String]) -> String {
    match columns.is_empty() {
        true => "none".to_owned(),
        false => format!("({})", columns.join(", ")),
    }
}

fn a_type(declared: &str) -> &str {
    match declared.is_empty() {
        true => "no type",
        false => declared,
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved => f.write_str("it is reserved, and its database was never made; `complete` makes it"),
            Self::Missing => f.write_str("the database is missing; restore it from a backup"),
            Self::EmptyFile => f.write_str("the database is an empty file; restore it from a backup"),
            Self::Unstamped => f.write_str(
                "the database carries no identity: it was not made by this library; put the tenant's own back or restore it",
            ),
            Self::Foreign { found } => {
                write!(f, "the database is really that of {found}; put the files back where they belong")
            }
            Self::UnsafeFile { reason } => write!(f, "the database is refused: {reason}"),
            Self::Unreadable { reason } => write!(f, "the database cannot be read: {reason}"),
            Self::StaleJournal { file } => write!(
                f,
                "a rollback journal lies beside the database, which this library never makes and SQLite would apply; find out whose it is and move {file:?} away"
            ),
            Self::Damaged { symptom } => write!(
                f,
                "the database is damaged ({symptom}); keep the file and restore from a backup"
            ),
            Self::Fenced => f.write_str(
                "the database is fenced although nothing is being done to it; repair takes the fence out",
            ),
            Self::RowsBreakConstraint { text } => {
                write!(f, "rows break a constraint of their own table: {text}")
            }
            Self::ForeignKeyRows { table, parent, rows } => write!(
                f,
                "`{table}` has {rows} rows whose foreign key leads to no row of `{parent}`; correct or remove them"
            ),
            Self::DanglingReference { table, parent } => write!(
                f,
                "`{table}` has a foreign key to `{parent}`, which is not in this database: every insert into it fails"
            ),
            Self::SharedRefOrphans { table, column, target_table, target_column, rows } => write!(
                f,
                "`{table}`.`{column}` has {rows} rows that lead to no `{target_table}`.`{target_column}` of the shared database"
            ),
            Self::SharedRefUnchecked { table, column, reason } => {
                write!(f, "`{table}`.`{column}` could not be followed into the shared database: {reason}")
            }
            Self::WrongScope { table } => write!(
                f,
                "table `{table}` belongs to the other scope; move its rows and drop it"
            ),
            Self::MissingTable { table, migration } => {
                write!(f, "table `{table}` is missing{}", By(migration))
            }
            Self::UnexpectedTable { table } => write!(f, "table `{table}` is in no migration"),
            Self::TableKind { table, found, wanted } => {
                write!(f, "table `{table}` is {found}, should be {wanted}")
            }
            Self::MissingColumn { table, column, migration } => {
                write!(f, "column `{table}`.`{column}` is missing{}", By(migration))
            }
            Self::UnexpectedColumn { table, column } => {
                write!(f, "column `{table}`.`{column}` is in no migration")
            }
            Self::ColumnType { table, column, found, wanted } => write!(
                f,
                "column `{table}`.`{column}` has {}, should have {}",
                a_type(found),
                a_type(wanted)
            ),
            Self::Nullability { table, column, not_null: true } => {
                write!(f, "column `{table}`.`{column}` may be NULL, should be NOT NULL")
            }
            Self::Nullability { table, column, .. } => {
                write!(f, "column `{table}`.`{column}` is NOT NULL, should take NULL")
            }
            Self::Default { table, column, found, wanted } => write!(
                f,
                "column `{table}`.`{column}` has the default {}, should have {}",
                or_none(found),
                or_none(wanted)
            ),
            Self::Generated { table, column, found, wanted } => write!(
                f,
                "column `{table}`.`{column}` is generated as {}, should be as {}",
                or_none(found),
                or_none(wanted)
            ),
            Self::Collation { table, column, found, wanted } => write!(
                f,
                "column `{table}`.`{column}` has the collation {}, should have {}",
                or_none(found),
                or_none(wanted)
            ),
            Self::PrimaryKey { table, found, wanted } => write!(
                f,
                "the primary key of `{table}` is {}, should be {}",
                list(found),
                list(wanted)
            ),
            Self::MissingCheck { table, check } => write!(f, "`{table}` lacks CHECK ({check})"),
            Self::UnexpectedCheck { table, check } => {
                write!(f, "`{table}` has CHECK ({check}), which is in no migration")
            }
            Self::MissingUnique { table, columns } => {
                write!(f, "`{table}` lacks UNIQUE {}", list(columns))
            }
            Self::UnexpectedUnique { table, columns } => {
                write!(f, "`{table}` has UNIQUE {}, which is in no migration", list(columns))
            }
            Self::MissingForeignKey { table, columns, parent } => {
                write!(f, "`{table}` lacks the foreign key {} to {parent}", list(columns))
            }
            Self::UnexpectedForeignKey { table, columns, parent } => write!(
                f,
                "`{table}` has a foreign key {} to {parent}, which is in no migration",
                list(columns)
            ),
            Self::ForeignKeyDiffers { table, columns, found, wanted } => write!(
                f,
                "the foreign key {} of `{table}` leads to {found}, should lead to {wanted}",
                list(columns)
            ),
            Self::MissingIndex { table, index, migration } => {
                write!(f, "index `{index}` on `{table}` is missing{}", By(migration))
            }
            Self::UnexpectedIndex { table, index } => {
                write!(f, "index `{index}` on `{table}` is in no migration")
            }
            Self::IndexDiffers { table, index, found, wanted } => {
                write!(f, "index `{index}` on `{table}` is {found}, should be {wanted}")
            }
            Self::MissingTrigger { table, trigger, migration } => {
                write!(f, "trigger `{trigger}` on `{table}` is missing{}", By(migration))
            }
            Self::UnexpectedTrigger { table, trigger } => {
                write!(f, "trigger `{trigger}` on `{table}` is in no migration")
            }
            Self::TriggerDiffers { table, trigger } => {
                write!(f, "trigger `{trigger}` on `{table}` is not the migrations'")
            }
            Self::MissingView { view, migration } => {
                write!(f, "view `{view}` is missing{}", By(migration))
            }
            Self::UnexpectedView { view } => write!(f, "view `{view}` is in no migration"),
            Self::ViewDiffers { view } => write!(f, "view `{view}` is not the migrations'"),
            Self::MigrationWithoutEffect { version, name, missing, made } => write!(
                f,
                "migration {version} ({name}) is recorded as applied, but {missing} of the {made} things it makes are missing; plan a repair"
            ),
            Self::MigrationNotRecorded { version, name } => write!(
                f,
                "everything migration {version} ({name}) makes is there, but it is not recorded; repair records it"
            ),
            Self::MigrationEdited { version, name } => write!(
                f,
                "migration {version} ({name}) was edited after it was applied; put its script back"
            ),
            Self::MigrationUnknown { version, name } => write!(
                f,
                "migration {version} ({name}) is recorded, and this program does not have it; deploy the build that has"
            ),
            Self::MigrationOutOfOrder { version, name, newer } => write!(
                f,
                "migration {version} ({name}) is not applied, although the newer {newer} is; give it a newer version"
            ),
            Self::Behind { pending, next } => {
                write!(f, "{pending} migrations are pending, the next is {next}; migrate the tenant")
            }
            Self::Ahead { newest } => write!(
                f,
                "the database has migration {newest}, which is newer than this program; deploy the newer build"
            ),
            Self::CatalogVersion { catalog, found } => write!(
                f,
                "the catalogue says the newest migration is {}, the database says {}; repair corrects the catalogue",
                or_none(catalog),
                or_none(found)
            ),
            Self::ReferenceLost { list, seen, found: None } => write!(
                f,
                "the catalogue has seen version {seen} of the reference list `{list}` in this database, which has none; push a newer version, or restore"
            ),
            Self::ReferenceLost { list, seen, found: Some(found) } => write!(
                f,
                "the catalogue has seen version {seen} of the reference list `{list}` in this database, which has version {found}; push a newer version, or restore"
            ),
            Self::CatalogFingerprint => f.write_str(
                "the catalogue has another schema fingerprint than the database, whose schema is as it should be; repair corrects it",
            ),
            Self::UnknownFile { file } => {
                write!(f, "{file:?} in the tenant's directory is none of its databases")
            }
            Self::Leftover { file } => {
                write!(f, "{file:?} in the tenant's directory was left by something that was killed")
            }
            Self::NewerGeneration { generation } => write!(
                f,
                "generation {generation} is on the disk and newer than the one the catalogue names, which is older than \
                 the databases; end all processes and restore the shared database from its newest backup, which finds \
                 it again; remove nothing"
            ),
            Self::UnknownGeneration { generation } => write!(
                f,
                "generation {generation} is on the disk, neither in use nor kept, and was never closed: rows may be in it \
                 that are in no other; compare the two, and remove nothing before"
            ),
            Self::RetainedGenerationMissing { generation } => write!(
                f,
                "generation {generation} was kept so that its replacement can be undone, and is not there"
            ),
        }
    }
}
