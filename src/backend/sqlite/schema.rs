//! The schema of a database: its fingerprint, its tables, and foreign keys that lead nowhere.
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::backend::SchemaFacts;

/// Reads what the engine must know of a schema.
///
/// The fingerprint is that of the [`Schema`](crate::verify::schema::Schema): two databases with one fingerprint mean the
/// same, however their definitions are written and in whatever order their columns were added.
pub(super) fn facts(conn: &mut SqliteConnection) -> QueryResult<SchemaFacts> {
    let schema = super::inspect::schema(conn)?;
    let tables = schema.tables.values().map(|table| table.name.clone());
    let views = schema.views.values().map(|view| view.name.clone());
    Ok(SchemaFacts {
        fingerprint: schema.fingerprint(),
        tables: tables.chain(views).collect(),
        dangling: dangling(conn)?,
    })
}

/// SQLite takes a REFERENCES to a table that is not there, and then fails every insert into the child.
pub(super) fn dangling(conn: &mut SqliteConnection) -> QueryResult<Vec<(String, String)>> {
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
struct Key {
    #[diesel(sql_type = Text)]
    child: String,
    #[diesel(sql_type = Text)]
    parent: String,
}
