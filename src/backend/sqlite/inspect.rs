//! Reads a database's schema as it really is.
use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};

use super::ddl::{self, TableText};
use crate::backend::error::{ConnectError, StorageError, Whose};
use crate::migrate::{self, MigrateOptions, MigrationSet};
use crate::verify::schema::{Check, Column, Definition, ForeignKey, Index, Schema, Table};
use crate::verify::{History, InspectConnection, Step};

/// SQLite's own objects, this library's, and the shadow tables of virtual ones are left out.
const OURS: &str =
    "m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND m.name NOT LIKE '\\_\\_tenants\\_%' ESCAPE '\\'
     AND m.name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')";

/// Reads the whole schema with a handful of queries, in the caller's transaction.
pub(super) fn schema(conn: &mut SqliteConnection) -> QueryResult<Schema> {
    let mut schema = Schema::default();
    let mut texts = BTreeMap::new();
    let objects = format!(
        "SELECT m.type AS kind, m.name, m.tbl_name AS owner, m.sql, coalesce(l.wr, 0) AS wr, coalesce(l.strict, 0) AS strict
         FROM sqlite_schema AS m
         LEFT JOIN pragma_table_list AS l ON l.schema = 'main' AND l.name = m.name AND m.type = 'table'
         WHERE {OURS} ORDER BY CASE m.type WHEN 'table' THEN 0 WHEN 'view' THEN 1 ELSE 2 END, m.name"
    );
    for object in diesel::sql_query(objects).load::<Object>(conn)? {
        let sql = object.sql.unwrap_or_default();
        let owner = object.owner.to_ascii_lowercase();
        let definition = || Definition {
            name: object.name.clone(),
            normal: ddl::normal(&sql),
            sql: sql.clone(),
        };
        match object.kind.as_str() {
            "table" => {
                let text = match is_virtual(&sql) {
                    true => TableText::default(),
                    false => ddl::table(&sql),
                };
                let key = object.name.to_ascii_lowercase();
                let table = Table {
                    kind: kind(&sql, &text, object.strict, object.wr),
                    checks: checks(&text),
                    name: object.name,
                    sql,
                    ..Table::default()
                };
                texts.insert(key.clone(), text);
                schema.tables.insert(key, table);
            }
            "view" => {
                let key = object.name.to_ascii_lowercase();
                schema.views.insert(key, definition());
            }
            "trigger" => {
                let key = object.name.to_ascii_lowercase();
                if let Some(table) = schema.tables.get_mut(&owner) {
                    table.triggers.insert(key, definition());
                } else if let Some(view) = schema.views.get_mut(&owner) {
                    // A view's INSTEAD OF trigger lives and dies with it.
                    view.sql = format!("{};\n{sql}", view.sql);
                    view.normal = format!("{} ; {}", view.normal, ddl::normal(&sql));
                }
            }
            _ => {}
        }
    }
    read_columns(conn, &mut schema, &texts)?;
    read_indexes(conn, &mut schema)?;
    read_foreign_keys(conn, &mut schema, &texts)?;
    Ok(schema)
}

/// The schema each migration of a set leaves behind, worked out in a database that exists in memory only.
pub(super) fn history(set: &MigrationSet) -> Result<History, StorageError> {
    let whose = Whose::Template;
    let mut conn = SqliteConnection::establish(":memory:")
        .map_err(|source| StorageError::Connect(ConnectError::Open { whose, source }))?;
    let action = "reading the schema a migration makes";
    let mut history = History::default();
    for script in set {
        migrate::run_pending(&mut conn, set, MigrateOptions::at_most(1))
            .map_err(StorageError::Template)?;
        history.steps.push(Step {
            version: script.version().to_owned(),
            name: script.name().to_owned(),
            schema: schema(&mut conn).map_err(|source| StorageError::Query { action, source })?,
        });
    }
    Ok(history)
}

fn is_virtual(sql: &str) -> bool {
    ddl::normal(sql).starts_with("create virtual ")
}

fn kind(sql: &str, text: &TableText, strict: bool, without_rowid: bool) -> String {
    if is_virtual(sql) {
        return ddl::normal(sql);
    }
    let mut kind = vec!["an ordinary table"];
    if strict {
        kind.push("STRICT");
    }
    if without_rowid {
        kind.push("WITHOUT ROWID");
    }
    if text.autoincrement {
        kind.push("AUTOINCREMENT");
    }
    if kind.len() > 1 {
        kind.remove(0);
    }
    kind.join(", ")
}

fn checks(text: &TableText) -> Vec<Check> {
    let check = |check: &ddl::CheckText| Check {
        normal: check.normal.clone(),
        text: check.text.clone(),
        column: check.column.clone(),
    };
    text.checks.iter().map(check).collect()
}

fn read_columns(
    conn: &mut SqliteConnection,
    schema: &mut Schema,
    texts: &BTreeMap<String, TableText>,
) -> QueryResult<()> {
    let columns = format!(
        "SELECT m.name AS owner, x.name, x.type AS declared_type, x.\"notnull\" AS not_null, x.dflt_value AS dflt,
                x.pk, x.hidden
         FROM sqlite_schema AS m JOIN pragma_table_xinfo(m.name) AS x
         WHERE m.type = 'table' AND {OURS} ORDER BY m.name, x.pk"
    );
    for row in diesel::sql_query(columns).load::<ColumnRow>(conn)? {
        let owner = row.owner.to_ascii_lowercase();
        let (Some(table), Some(text)) = (schema.tables.get_mut(&owner), texts.get(&owner)) else {
            continue;
        };
        let key = row.name.to_ascii_lowercase();
        let written = text.columns.iter().find(|column| column.name == key);
        let generated = written.and_then(|column| column.generated.as_ref());
        let stored = if row.hidden == 3 { " STORED" } else { "" };
        let collation = written.and_then(|column| column.collation.clone());
        let column = Column {
            declared_type: match generated {
                // SQLite takes these words off the type only where they are written in one way.
                Some(_) => declared(&row.declared_type)
                    .trim_end_matches(" ALWAYS")
                    .trim_end_matches(" GENERATED")
                    .to_owned(),
                None => declared(&row.declared_type),
            },
            not_null: row.not_null,
            default: row.dflt.map(|text| (ddl::normal(&text), text)),
            generated: generated.map(|text| {
                (
                    format!("{}{stored}", ddl::normal(text)),
                    format!("({text}){stored}"),
                )
            }),
            collation: collation.filter(|name| name != "binary"),
            name: row.name,
        };
        if row.pk > 0 {
            table.primary_key.push(key.clone());
        }
        table.columns.insert(key, column);
    }
    Ok(())
}

/// `varchar ( 20 )` and `VARCHAR(20)` are one type.
fn declared(text: &str) -> String {
    ddl::normal(text)
        .to_ascii_uppercase()
        .replace(" ( ", "(")
        .replace(" )", ")")
}

fn read_indexes(conn: &mut SqliteConnection, schema: &mut Schema) -> QueryResult<()> {
    let parts = format!(
        "SELECT m.name AS owner, l.name, l.\"unique\" AS is_unique, l.origin, i.sql, x.name AS part, x.\"desc\" AS descending,
                x.coll AS collation
         FROM sqlite_schema AS m JOIN pragma_index_list(m.name) AS l JOIN pragma_index_xinfo(l.name) AS x
         LEFT JOIN sqlite_schema AS i ON i.type = 'index' AND i.name = l.name
         WHERE m.type = 'table' AND x.key = 1 AND {OURS} ORDER BY m.name, l.name, x.seqno"
    );
    let rows = diesel::sql_query(parts).load::<IndexRow>(conn)?;
    for parts in rows.chunk_by(|a, b| (&a.owner, &a.name) == (&b.owner, &b.name)) {
        let first = &parts[0];
        let Some(table) = schema.tables.get_mut(&first.owner.to_ascii_lowercase()) else {
            continue;
        };
        let sql = first.sql.clone().unwrap_or_default();
        let (expressions, filter) = ddl::index(&sql);
        let column = |(at, row): (usize, &IndexRow)| match &row.part {
            Some(name) => name.to_ascii_lowercase(),
            None => expressions.get(at).cloned().unwrap_or_default(),
        };
        let columns: Vec<String> = parts.iter().enumerate().map(column).collect();
        match first.origin.as_str() {
            "u" => drop(table.uniques.insert(columns)),
            "c" => {
                let shown = columns.iter().zip(parts).map(|(column, row)| {
                    let collation = row.collation.as_deref().unwrap_or("BINARY");
                    let collate = match collation.eq_ignore_ascii_case("BINARY") {
                        true => String::new(),
                        false => format!(" COLLATE {}", collation.to_ascii_uppercase()),
                    };
                    format!(
                        "{column}{collate}{}",
                        if row.descending { " DESC" } else { "" }
                    )
                });
                let shown: Vec<String> = shown.collect();
                let unique = if first.is_unique { "UNIQUE " } else { "" };
                let filter = filter.map_or_else(String::new, |filter| format!(" WHERE {filter}"));
                let index = Index {
                    name: first.name.clone(),
                    shape: format!("{unique}({}){filter}", shown.join(", ")),
                    unique: first.is_unique,
                    sql,
                    columns,
                };
                table.indexes.insert(first.name.to_ascii_lowercase(), index);
            }
            // The index of a primary key.
            _ => {}
        }
    }
    Ok(())
}

fn read_foreign_keys(
    conn: &mut SqliteConnection,
    schema: &mut Schema,
    texts: &BTreeMap<String, TableText>,
) -> QueryResult<()> {
    let keys = format!(
        "SELECT m.name AS owner, f.id, f.\"table\" AS parent, f.\"from\" AS child_column, f.\"to\" AS parent_column,
                f.on_update, f.on_delete
         FROM sqlite_schema AS m JOIN pragma_foreign_key_list(m.name) AS f
         WHERE m.type = 'table' AND {OURS} ORDER BY m.name, f.id, f.seq"
    );
    let rows = diesel::sql_query(keys).load::<KeyRow>(conn)?;
    for rows in rows.chunk_by(|a, b| (&a.owner, a.id) == (&b.owner, b.id)) {
        let first = &rows[0];
        let owner = first.owner.to_ascii_lowercase();
        let (Some(table), Some(text)) = (schema.tables.get_mut(&owner), texts.get(&owner)) else {
            continue;
        };
        let lower = |name: &String| name.to_ascii_lowercase();
        let columns: Vec<String> = rows.iter().map(|row| lower(&row.child_column)).collect();
        let mut rules = Vec::new();
        for (event, action) in [("DELETE", &first.on_delete), ("UPDATE", &first.on_update)] {
            if action != "NO ACTION" {
                rules.push(format!("ON {event} {action}"));
            }
        }
        if text.deferred.contains(&columns) {
            rules.push("DEFERRABLE INITIALLY DEFERRED".to_owned());
        }
        table.foreign_keys.insert(ForeignKey {
            columns,
            parent: lower(&first.parent),
            parent_columns: rows
                .iter()
                .filter_map(|row| row.parent_column.as_ref())
                .map(lower)
                .collect(),
            rules: rules.join(" "),
        });
    }
    Ok(())
}

#[derive(QueryableByName)]
struct Object {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Nullable<Text>)]
    sql: Option<String>,
    #[diesel(sql_type = Bool)]
    wr: bool,
    #[diesel(sql_type = Bool)]
    strict: bool,
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    declared_type: String,
    #[diesel(sql_type = Bool)]
    not_null: bool,
    #[diesel(sql_type = Nullable<Text>)]
    dflt: Option<String>,
    #[diesel(sql_type = Integer)]
    pk: i32,
    /// 2 and 3 are generated columns, virtual and stored.
    #[diesel(sql_type = Integer)]
    hidden: i32,
}

#[derive(QueryableByName)]
struct IndexRow {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_unique: bool,
    /// `c` for CREATE INDEX, `u` for UNIQUE, `pk`.
    #[diesel(sql_type = Text)]
    origin: String,
    #[diesel(sql_type = Nullable<Text>)]
    sql: Option<String>,
    /// No name where it is an expression.
    #[diesel(sql_type = Nullable<Text>)]
    part: Option<String>,
    #[diesel(sql_type = Bool)]
    descending: bool,
    #[diesel(sql_type = Nullable<Text>)]
    collation: Option<String>,
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    parent: String,
    #[diesel(sql_type = Text)]
    child_column: String,
    /// None where it is the parent's primary key.
    #[diesel(sql_type = Nullable<Text>)]
    parent_column: Option<String>,
    #[diesel(sql_type = Text)]
    on_update: String,
    #[diesel(sql_type = Text)]
    on_delete: String,
}

impl InspectConnection for SqliteConnection {
    fn read_schema(&mut self) -> QueryResult<Schema> {
        schema(self)
    }

    fn integrity(&mut self, full: bool) -> QueryResult<Vec<(bool, String)>> {
        let check = if full {
            "integrity_check"
        } else {
            "quick_check"
        };
        let query = format!("SELECT {check} AS text FROM pragma_{check} LIMIT 20");
        let lines = diesel::sql_query(query).load::<Line>(self)?;
        let mut lines: Vec<String> = lines.into_iter().map(|line| line.text).collect();
        lines.retain(|line| line != "ok");
        // One line for each row.
        lines.dedup();
        let breaks_constraint =
            |line: &str| line.starts_with("CHECK constraint failed") || line.contains(" value in ");
        let tell = |line: String| (!breaks_constraint(&line), line);
        Ok(lines.into_iter().map(tell).collect())
    }

    fn broken_references(&mut self) -> QueryResult<Vec<(String, String, u64)>> {
        let rows = diesel::sql_query(
            "SELECT \"table\" AS child, parent, count(*) AS rows FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .load::<Violation>(self)?;
        let read = |row: Violation| (row.child, row.parent, row.rows.unsigned_abs());
        Ok(rows.into_iter().map(read).collect())
    }

    fn dangling_references(&mut self) -> QueryResult<Vec<(String, String)>> {
        super::schema::dangling(self)
    }

    fn references(
        &mut self,
        table: &str,
        column: &str,
        after: &str,
        most: usize,
    ) -> QueryResult<Vec<String>> {
        let (table, column) = (ddl::quote(table), ddl::quote(column));
        let after = if after.is_empty() {
            String::new()
        } else {
            format!("AND {column} > {after}")
        };
        let query = format!(
            "SELECT DISTINCT quote({column}) AS text FROM {table} WHERE {column} IS NOT NULL {after} ORDER BY {column} LIMIT {most}"
        );
        let lines = diesel::sql_query(query).load::<Line>(self)?;
        Ok(lines.into_iter().map(|line| line.text).collect())
    }

    fn absent(&mut self, table: &str, column: &str, values: &[String]) -> QueryResult<Vec<String>> {
        let (table, column) = (ddl::quote(table), ddl::quote(column));
        let values: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
        let query = format!(
            "WITH wanted (value) AS (VALUES {}) SELECT quote(value) AS text FROM wanted
             WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {table}.{column} = wanted.value)",
            values.join(", ")
        );
        let lines = diesel::sql_query(query).load::<Line>(self)?;
        Ok(lines.into_iter().map(|line| line.text).collect())
    }

    fn rows_with(&mut self, table: &str, column: &str, values: &[String]) -> QueryResult<u64> {
        let (table, column) = (ddl::quote(table), ddl::quote(column));
        let query = format!(
            "SELECT count(*) AS rows FROM {table} WHERE {column} IN ({})",
            values.join(", ")
        );
        let count = diesel::sql_query(query).get_result::<Count>(self)?;
        Ok(count.rows.unsigned_abs())
    }

    fn is_damage(error: &diesel::result::Error) -> Option<String> {
        let message = super::message(error)?;
        let damaged = message == "file is not a database" || message.contains("malformed");
        damaged.then(|| message.to_owned())
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

#[derive(QueryableByName)]
struct Violation {
    #[diesel(sql_type = Text)]
    child: String,
    #[diesel(sql_type = Text)]
    parent: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}
