//! What the schema of a closed database has other than it should have at the migrations it says it has.
use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};

use super::backup::{Fault, fault};
use super::storage::query;
use crate::backend::{DriftKind, Fit, SchemaDifference, StorageError};
use crate::migrate::{self, MigrateOptions, MigrationSet, Verdict};

/// Compares a closed database with what the migrations in its ledger make. Nothing in it is run, and nothing written.
pub(super) fn fit(conn: &mut SqliteConnection, set: &MigrationSet) -> Result<Fit, Fault> {
    let storage = |error| Fault::Storage(StorageError::Migrate(error));
    let status = migrate::status(conn, set).map_err(storage)?;
    let mut differences = Vec::new();
    if matches!(status.verdict, Verdict::UpToDate | Verdict::Behind { .. }) {
        let wanted = expected(set, status.applied.len()).map_err(Fault::Storage)?;
        let found = objects(conn).map_err(fault("reading the schema of a backup"))?;
        differences = compare(&wanted, &found);
    }
    Ok(Fit {
        verdict: status.verdict,
        differences,
    })
}

/// The schema that the first migrations of a set make, in a database of its own.
fn expected(set: &MigrationSet, applied: usize) -> Result<Objects, StorageError> {
    let mut conn = SqliteConnection::establish(":memory:").map_err(|source| {
        crate::backend::ConnectError::Open {
            whose: crate::backend::Whose::Template,
            source,
        }
    })?;
    let options = MigrateOptions::at_most(applied);
    migrate::run_pending(&mut conn, set, options).map_err(StorageError::Template)?;
    objects(&mut conn).map_err(query("reading the expected schema"))
}

/// Kind and name of each object, with its definition and, for a table, its columns.
type Objects = BTreeMap<(String, String), Object>;

struct Object {
    sql: String,
    columns: Vec<String>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    sql: Option<String>,
}

/// What guards the audit log, in the words it is made with.
const AUDIT: &str = include_str!("../../../migrations/sqlite/catalog/0009_audit/up.sql");

/// Everything but SQLite's own, this library's tables, the triggers of the audit log, word for word, and the fence,
/// which is taken out before anything is written. A trigger or view that only bears a name like the library's is in.
fn objects(conn: &mut SqliteConnection) -> QueryResult<Objects> {
    let rows = diesel::sql_query(
        "SELECT type AS kind, name, sql FROM sqlite_schema
         WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         AND NOT (type IN ('table', 'index') AND name LIKE '\\_\\_tenants\\_%' ESCAPE '\\')
         AND NOT (type = 'trigger' AND name LIKE '\\_\\_tenants\\_fence\\_%' ESCAPE '\\')",
    )
    .load::<Row>(conn)?;
    let mut objects = Objects::new();
    for row in rows {
        let sql = row.sql.unwrap_or_default();
        if row.kind == "trigger" && row.name.starts_with("__tenants_audit_") && AUDIT.contains(&sql)
        {
            continue;
        }
        let columns = match row.kind.as_str() {
            "table" => columns(conn, &row.name)?,
            _ => Vec::new(),
        };
        let object = Object {
            sql: sql.split_whitespace().collect::<Vec<_>>().join(" "),
            columns,
        };
        objects.insert((row.kind, row.name), object);
    }
    Ok(objects)
}

fn columns(conn: &mut SqliteConnection, table: &str) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let columns = diesel::sql_query("SELECT name FROM pragma_table_xinfo(?) ORDER BY cid")
        .bind::<Text, _>(table)
        .load::<Column>(conn)?;
    Ok(columns.into_iter().map(|column| column.name).collect())
}

fn compare(wanted: &Objects, found: &Objects) -> Vec<SchemaDifference> {
    let mut differences = Vec::new();
    let mut tell = |kind: &str, name: &str, what| {
        differences.push(SchemaDifference {
            kind: kind.to_owned(),
            name: name.to_owned(),
            what,
        });
    };
    for ((kind, name), wanted) in wanted {
        let Some(found) = found.get(&(kind.clone(), name.clone())) else {
            tell(kind, name, DriftKind::Missing);
            continue;
        };
        if found.sql == wanted.sql {
            continue;
        }
        let only = |these: &[String], those: &[String]| -> Vec<String> {
            let other = |column: &&String| !those.contains(column);
            these.iter().filter(other).cloned().collect()
        };
        tell(
            kind,
            name,
            DriftKind::Changed {
                missing: only(&wanted.columns, &found.columns),
                unexpected: only(&found.columns, &wanted.columns),
            },
        );
    }
    for (kind, name) in found.keys() {
        if !wanted.contains_key(&(kind.clone(), name.clone())) {
            tell(kind, name, DriftKind::Unexpected);
        }
    }
    differences
}
