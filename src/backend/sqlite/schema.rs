//! The schema of a database: its fingerprint, its tables, and foreign keys that lead nowhere.
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use sha2::{Digest, Sha256};

use crate::backend::SchemaFacts;

/// Reads what the engine must know of a schema.
///
/// The fingerprint is a hash of every table, index, view and trigger but SQLite's and this library's own, with the
/// white space of its definition evened out. Two databases with one fingerprint have the same schema text.
pub(super) fn facts(conn: &mut SqliteConnection) -> QueryResult<SchemaFacts> {
    let objects = diesel::sql_query(
        "SELECT type AS kind, name, sql FROM sqlite_schema
         WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_\\_tenants\\_%' ESCAPE '\\'
         ORDER BY type, name",
    )
    .load::<Object>(conn)?;
    let mut hash = Sha256::new();
    let mut tables = Vec::new();
    for object in objects {
        let sql = object.sql.unwrap_or_default();
        let words: Vec<&str> = sql.split_whitespace().collect();
        for part in [&object.kind, &object.name, &words.join(" ")] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        if matches!(object.kind.as_str(), "table" | "view") {
            tables.push(object.name);
        }
    }
    Ok(SchemaFacts {
        fingerprint: hash.finalize().iter().map(|b| format!("{b:02x}")).collect(),
        tables,
        dangling: dangling(conn)?,
    })
}

/// SQLite takes a REFERENCES to a table that is not there, and then fails every insert into the child.
fn dangling(conn: &mut SqliteConnection) -> QueryResult<Vec<(String, String)>> {
    let keys = diesel::sql_query(
        "SELECT DISTINCT child.name AS child, parent.\"table\" AS parent
         FROM sqlite_schema AS child, pragma_foreign_key_list(child.name) AS parent
         WHERE child.type = 'table' AND NOT EXISTS (
             SELECT 1 FROM sqlite_schema AS found
             WHERE found.type = 'table' AND found.name = parent.\"table\" COLLATE NOCASE)
         ORDER BY 1, 2",
    )
    .load::<Key>(conn)?;
    Ok(keys
        .into_iter()
        .map(|key| (key.child, key.parent))
        .collect())
}

#[derive(QueryableByName)]
struct Object {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    sql: Option<String>,
}

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Text)]
    child: String,
    #[diesel(sql_type = Text)]
    parent: String,
}
