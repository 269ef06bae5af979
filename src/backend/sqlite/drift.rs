//! What the schema of a closed database has other than it should have at the migrations it says it has.
use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::backup::{Fault, fault};
use super::inspect;
use super::storage::query;
use crate::backend::{DriftKind, Fit, SchemaDifference, StorageError};
use crate::migrate::{self, MigrateOptions, MigrationSet, Verdict};
use crate::verify::Finding;
use crate::verify::schema::Schema;

/// Compares a closed database with what the migrations in its ledger make. Nothing in it is run, and nothing written.
///
/// It is compared by what it means, as [`verify`](crate::verify) does: a table that a repair built anew reads otherwise
/// and is the same.
pub(super) fn fit(conn: &mut SqliteConnection, set: &MigrationSet) -> Result<Fit, Fault> {
    let storage = |error| Fault::Storage(StorageError::Migrate(error));
    let status = migrate::status(conn, set).map_err(storage)?;
    let mut differences = Vec::new();
    if matches!(status.verdict, Verdict::UpToDate | Verdict::Behind { .. }) {
        let wanted = expected(set, status.applied.len()).map_err(Fault::Storage)?;
        let reading = "reading the schema of a backup";
        let found = inspect::schema(conn).map_err(fault(reading))?;
        differences = listed(found.differences(&wanted));
        differences.extend(attached_to_ours(conn).map_err(fault(reading))?);
    }
    Ok(Fit {
        verdict: status.verdict,
        differences,
    })
}

/// The schema that the first migrations of a set make, in a database of its own.
fn expected(set: &MigrationSet, applied: usize) -> Result<Schema, StorageError> {
    let mut conn = SqliteConnection::establish(":memory:").map_err(|source| {
        crate::backend::ConnectError::Open {
            whose: crate::backend::Whose::Template,
            source,
        }
    })?;
    let options = MigrateOptions::at_most(applied);
    migrate::run_pending(&mut conn, set, options).map_err(StorageError::Template)?;
    inspect::schema(&mut conn).map_err(query("reading the expected schema"))
}

/// One difference for each thing in a schema, however much of it is another.
fn listed(findings: Vec<Finding>) -> Vec<SchemaDifference> {
    use DriftKind::Changed;
    let mut by_thing = BTreeMap::new();
    for finding in findings {
        let (kind, name, what) = told(finding);
        let listed = by_thing.entry((kind, name)).or_insert(what.clone());
        // A thing that is not there differs in nothing else.
        if let (
            Changed {
                missing,
                unexpected,
            },
            Changed {
                missing: m,
                unexpected: u,
            },
        ) = (listed, what)
        {
            for (known, more) in [(missing, m), (unexpected, u)] {
                let new: Vec<_> = more
                    .into_iter()
                    .filter(|one| !known.contains(one))
                    .collect();
                known.extend(new);
            }
        }
    }
    let list = by_thing
        .into_iter()
        .map(|((kind, name), what)| SchemaDifference {
            kind: kind.to_owned(),
            name,
            what,
        });
    list.collect()
}

fn told(finding: Finding) -> (&'static str, String, DriftKind) {
    use DriftKind::{Missing, Unexpected};
    let changed = |missing, unexpected| DriftKind::Changed {
        missing,
        unexpected,
    };
    match finding {
        Finding::MissingTable { table, .. } => ("table", table, Missing),
        Finding::UnexpectedTable { table } => ("table", table, Unexpected),
        Finding::MissingColumn { table, column, .. } => {
            ("table", table, changed(vec![column], vec![]))
        }
        Finding::UnexpectedColumn { table, column } => {
            ("table", table, changed(vec![], vec![column]))
        }
        Finding::MissingIndex { index, .. } => ("index", index, Missing),
        Finding::UnexpectedIndex { index, .. } => ("index", index, Unexpected),
        Finding::IndexDiffers { index, .. } => ("index", index, changed(vec![], vec![])),
        Finding::MissingTrigger { trigger, .. } => ("trigger", trigger, Missing),
        Finding::UnexpectedTrigger { trigger, .. } => ("trigger", trigger, Unexpected),
        Finding::TriggerDiffers { trigger, .. } => ("trigger", trigger, changed(vec![], vec![])),
        Finding::MissingView { view, .. } => ("view", view, Missing),
        Finding::UnexpectedView { view } => ("view", view, Unexpected),
        Finding::ViewDiffers { view } => ("view", view, changed(vec![], vec![])),
        Finding::TableKind { table, .. }
        | Finding::ColumnType { table, .. }
        | Finding::Nullability { table, .. }
        | Finding::Default { table, .. }
        | Finding::Generated { table, .. }
        | Finding::Collation { table, .. }
        | Finding::PrimaryKey { table, .. }
        | Finding::MissingCheck { table, .. }
        | Finding::UnexpectedCheck { table, .. }
        | Finding::MissingUnique { table, .. }
        | Finding::UnexpectedUnique { table, .. }
        | Finding::MissingForeignKey { table, .. }
        | Finding::UnexpectedForeignKey { table, .. }
        | Finding::ForeignKeyDiffers { table, .. } => ("table", table, changed(vec![], vec![])),
        // Comparing two schemas finds nothing else. If it ever does, the backup is refused rather than taken.
        other => ("schema", other.to_string(), changed(vec![], vec![])),
    }
}

/// What makes the audit log, its triggers among it.
const AUDIT: [&str; 3] = [
    include_str!("../../../migrations/sqlite/catalog/0009_audit/up.sql"),
    include_str!("../../../migrations/sqlite/catalog/0010_audit_guard/up.sql"),
    include_str!("../../../migrations/sqlite/catalog/0013_audit_ends/up.sql"),
];

/// What no application's migration makes, and verifying does not look at: triggers, views and indexes on this library's
/// tables or by names like theirs, and those on the tables behind a virtual one. The fence, which is taken out before
/// anything is written, is the library's own, and so are the triggers that guard the audit log, word for word.
fn attached_to_ours(conn: &mut SqliteConnection) -> QueryResult<Vec<SchemaDifference>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        kind: String,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        sql: String,
    }
    let rows = diesel::sql_query(
        "SELECT type AS kind, name, coalesce(sql, '') AS sql FROM sqlite_schema
         WHERE type IN ('trigger', 'view', 'index') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         AND NOT (type = 'trigger' AND name LIKE '\\_\\_tenants\\_fence\\_%' ESCAPE '\\')
         AND NOT (type = 'index' AND name LIKE '\\_\\_tenants\\_%' ESCAPE '\\')
         AND (name LIKE '\\_\\_tenants\\_%' ESCAPE '\\'
              OR tbl_name LIKE '\\_\\_tenants\\_%' ESCAPE '\\'
              OR tbl_name IN (SELECT name FROM pragma_table_list WHERE type = 'shadow'))
         ORDER BY 1, 2",
    )
    .load::<Row>(conn)?;
    let unexpected = |row: Row| SchemaDifference {
        kind: row.kind,
        name: row.name,
        what: DriftKind::Unexpected,
    };
    let guards_audit = |row: &Row| {
        let is_named_so = row.kind == "trigger" && row.name.starts_with("__tenants_audit_");
        is_named_so && AUDIT.iter().any(|made| made.contains(&row.sql))
    };
    let others = rows.into_iter().filter(|row| !guards_audit(row));
    Ok(others.map(unexpected).collect())
}
