//! Rows as they are, in and out of SQLite databases.
//!
//! Identifiers come from a database's own schema and are quoted; values are bound. Nothing that a file says is ever
//! run as SQL, but for the triggers of a database of our own, which are put back as they were.
use diesel::connection::{
    AnsiTransactionManager, DefaultLoadingMode, SimpleConnection, TransactionManager,
};
use diesel::deserialize::{self, QueryableByName};
use diesel::prelude::*;
use diesel::row::{Field, NamedRow};
use diesel::sql_types::{BigInt, Binary, Double, Integer, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteType};

use crate::backend::transfer::{ColumnShape, Dangling, Shape, TableShape};
use crate::value::{Class, Value};

/// SQLite takes this many parameters in a statement at least (`SQLITE_MAX_VARIABLE_NUMBER` since 3.32).
const MOST_PARAMETERS: usize = 32_766;

pub(super) fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}
#[derive(QueryableByName)]
pub(super) struct Number {
    #[diesel(sql_type = BigInt)]
    pub(super) number: i64,
}

fn names(conn: &mut SqliteConnection, query: &str) -> QueryResult<Vec<String>> {
    let names = diesel::sql_query(query).load::<Name>(conn)?;
    Ok(names.into_iter().map(|row| row.name).collect())
}

pub(super) fn number(conn: &mut SqliteConnection, query: impl Into<String>) -> QueryResult<i64> {
    let row = diesel::sql_query(query.into()).get_result::<Number>(conn)?;
    Ok(row.number)
}

/// The tables of a database. Only tables with pages of their own are looked into: a virtual table runs code.
pub(super) fn shape(conn: &mut SqliteConnection) -> QueryResult<Shape> {
    let tables = names(
        conn,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_\\_tenants\\_%' ESCAPE '\\'
         ORDER BY name",
    )?;
    let others = names(
        conn,
        "SELECT name FROM sqlite_schema WHERE type = 'view' OR (type = 'table' AND rootpage = 0) ORDER BY name",
    )?;
    // What a virtual table keeps its rows in is part of it.
    let is_shadow = |table: &str| {
        others.iter().any(|other| {
            let rest = table.strip_prefix(other.as_str());
            rest.is_some_and(|rest| {
                [
                    "_data",
                    "_idx",
                    "_content",
                    "_docsize",
                    "_config",
                    "_node",
                    "_parent",
                    "_rowid",
                    "_segments",
                    "_segdir",
                    "_stat",
                ]
                .contains(&rest)
            })
        })
    };
    let counters = number(
        conn,
        "SELECT count(*) AS number FROM sqlite_schema WHERE name = 'sqlite_sequence'",
    )? > 0;
    let mut shapes = Vec::new();
    for name in tables.into_iter().filter(|name| !is_shadow(name)) {
        shapes.push(TableShape {
            columns: columns(conn, &name)?,
            references: references(conn, &name)?,
            counter: match counters {
                true => counter(conn, &name)?,
                false => None,
            },
            name,
        });
    }
    Ok(Shape {
        tables: shapes,
        others,
    })
}

/// The virtual tables that hold rows. Asks them, which runs code: for databases of our own only.
pub(super) fn virtual_with_rows(conn: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    // One that keeps nothing in tables named after it has no rows of its own: it shows what is elsewhere.
    let mut found = names(
        conn,
        "SELECT name FROM sqlite_schema AS virtual WHERE type = 'table' AND rootpage = 0
         AND EXISTS (SELECT 1 FROM sqlite_schema AS kept WHERE kept.type = 'table' AND kept.rootpage > 0
                     AND substr(kept.name, 1, length(virtual.name) + 1) = virtual.name || '_')
         ORDER BY name",
    )?;
    found.retain(|name| {
        let any = format!("SELECT EXISTS (SELECT 1 FROM {}) AS number", quote(name));
        // One that cannot be asked, as its module is not here, may hold some.
        number(conn, any) != Ok(0)
    });
    Ok(found)
}

fn counter(conn: &mut SqliteConnection, table: &str) -> QueryResult<Option<i64>> {
    let query = diesel::sql_query(
        "SELECT CAST(seq AS INTEGER) AS number FROM sqlite_sequence WHERE name = ?",
    );
    let row = query
        .bind::<Text, _>(table)
        .get_result::<Number>(conn)
        .optional()?;
    Ok(row.map(|row| row.number))
}

pub(super) fn set_counter(conn: &mut SqliteConnection, table: &str, last: i64) -> QueryResult<()> {
    // The row is there once the table has had a row; one that has none any more may still have a counter.
    let updated = diesel::sql_query("UPDATE sqlite_sequence SET seq = ? WHERE name = ?")
        .bind::<BigInt, _>(last)
        .bind::<Text, _>(table)
        .execute(conn)?;
    if updated == 0 {
        diesel::sql_query("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)")
            .bind::<Text, _>(table)
            .bind::<BigInt, _>(last)
            .execute(conn)?;
    }
    Ok(())
}

fn columns(conn: &mut SqliteConnection, table: &str) -> QueryResult<Vec<ColumnShape>> {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        declared: String,
        #[diesel(sql_type = Integer)]
        not_null: i32,
        #[diesel(sql_type = Integer)]
        has_default: i32,
        #[diesel(sql_type = Integer)]
        primary: i32,
        #[diesel(sql_type = Integer)]
        primaries: i32,
    }
    // Generated columns are hidden = 2 or 3: their values follow from the others.
    let query = "SELECT name, type AS declared, \"notnull\" AS not_null, dflt_value IS NOT NULL AS has_default, \
                 pk AS \"primary\", count(*) FILTER (WHERE pk > 0) OVER () AS primaries \
                 FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid";
    let found = diesel::sql_query(query)
        .bind::<Text, _>(table)
        .load::<Column>(conn)?;
    let columns = found.into_iter().map(|column| {
        // Such a column is the number of the row, and SQLite gives it one.
        let is_rowid = column.primary == 1
            && column.primaries == 1
            && column.declared.eq_ignore_ascii_case("INTEGER");
        ColumnShape {
            class: class(&column.declared),
            nullable: column.not_null == 0 && column.primary == 0,
            has_default: column.has_default != 0 || is_rowid,
            name: column.name,
            declared: column.declared,
        }
    });
    Ok(columns.collect())
}

/// What the values of a column are meant to be. Dates and times are texts here, as Diesel writes them.
fn class(declared: &str) -> Class {
    let declared = declared.to_ascii_uppercase();
    let has = |word: &str| declared.contains(word);
    if declared.is_empty() {
        Class::Any
    } else if has("DATE") || has("TIME") || has("CHAR") || has("TEXT") || has("CLOB") {
        Class::Text
    } else if has("INT") || has("BOOL") {
        Class::Integer
    } else if has("BLOB") {
        Class::Blob
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        Class::Real
    } else {
        Class::Any
    }
}

fn references(conn: &mut SqliteConnection, table: &str) -> QueryResult<Vec<(String, String)>> {
    #[derive(QueryableByName)]
    struct Reference {
        #[diesel(sql_type = Text)]
        child: String,
        #[diesel(sql_type = Text)]
        parent: String,
    }
    let query = "SELECT \"from\" AS child, \"table\" AS parent FROM pragma_foreign_key_list(?) ORDER BY id, seq";
    let found = diesel::sql_query(query)
        .bind::<Text, _>(table)
        .load::<Reference>(conn)?;
    Ok(found
        .into_iter()
        .map(|row| (row.child, row.parent))
        .collect())
}

/// Everything in a database as SQL, the library's own left out.
pub(super) fn definitions(conn: &mut SqliteConnection) -> QueryResult<String> {
    let statements = names(
        conn,
        "SELECT sql AS name FROM sqlite_schema WHERE sql IS NOT NULL
         AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE '\\_\\_tenants\\_%' ESCAPE '\\'
         AND tbl_name NOT LIKE '\\_\\_tenants\\_%' ESCAPE '\\'
         ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, name",
    )?;
    Ok(statements.iter().map(|sql| format!("{sql};\n")).collect())
}

/// One row, whatever is in it.
struct Cells(Vec<Cell>);

enum Cell {
    Value(Value),
    /// In the encoding of the database.
    Text(Vec<u8>),
}

impl QueryableByName<Sqlite> for Cells {
    fn build<'a>(row: &impl NamedRow<'a, Sqlite>) -> deserialize::Result<Self> {
        let cells = (0..row.field_count()).map(|index| {
            let field = diesel::row::Row::get(row, index).ok_or("a row without its columns")?;
            let Some(mut value) = field.value() else {
                return Ok(Cell::Value(Value::Null));
            };
            Ok(match value.value_type() {
                None => Cell::Value(Value::Null),
                Some(SqliteType::Text) => Cell::Text(value.read_blob().to_vec()),
                Some(SqliteType::Binary) => Cell::Value(Value::Blob(value.read_blob().to_vec())),
                Some(SqliteType::Double | SqliteType::Float) => {
                    Cell::Value(Value::Real(value.read_double()))
                }
                Some(SqliteType::Integer | SqliteType::SmallInt | SqliteType::Long) => {
                    Cell::Value(Value::Integer(value.read_long()))
                }
            })
        });
        cells.collect::<deserialize::Result<_>>().map(Self)
    }
}

/// How texts lie in the memory of a connection.
#[derive(Clone, Copy)]
enum Encoding {
    Utf8,
    Utf16(fn([u8; 2]) -> u16),
}

impl Encoding {
    fn of(conn: &mut SqliteConnection) -> QueryResult<Self> {
        Ok(match encoding(conn)?.as_str() {
            "UTF-16le" => Self::Utf16(u16::from_le_bytes),
            "UTF-16be" => Self::Utf16(u16::from_be_bytes),
            _ => Self::Utf8,
        })
    }

    fn read(self, bytes: Vec<u8>) -> Value {
        let text = match self {
            Self::Utf8 => String::from_utf8(bytes).map_err(|error| error.into_bytes()),
            Self::Utf16(unit) => {
                let (units, rest) = bytes.as_chunks::<2>();
                let units: Vec<u16> = units.iter().map(|pair| unit(*pair)).collect();
                match String::from_utf16(&units) {
                    Ok(text) if rest.is_empty() => Ok(text),
                    _ => Err(bytes),
                }
            }
        };
        match text {
            Ok(text) => Value::Text(text),
            Err(bytes) => Value::BrokenText(bytes),
        }
    }
}

pub(super) fn encoding(conn: &mut SqliteConnection) -> QueryResult<String> {
    let found = names(conn, "SELECT encoding AS name FROM pragma_encoding")?;
    Ok(found.into_iter().next().unwrap_or_default())
}

pub(super) fn each_row(
    conn: &mut SqliteConnection,
    table: &TableShape,
    each: &mut dyn FnMut(Vec<Value>),
) -> QueryResult<()> {
    let encoding = Encoding::of(conn)?;
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| quote(&column.name))
        .collect();
    let query = format!(
        "SELECT {} FROM main.{} ORDER BY {}",
        columns.join(", "),
        quote(&table.name),
        order(conn, &table.name)?
    );
    let rows = diesel::sql_query(query).load_iter::<Cells, DefaultLoadingMode>(conn)?;
    for row in rows {
        let values = row?.0.into_iter().map(|cell| match cell {
            Cell::Value(value) => value,
            Cell::Text(bytes) => encoding.read(bytes),
        });
        each(values.collect());
    }
    Ok(())
}

/// The order rows have when they are read in it, loaded, and read again.
fn order(conn: &mut SqliteConnection, table: &str) -> QueryResult<String> {
    let without_rowid = diesel::sql_query(
        "SELECT wr AS number FROM pragma_table_list WHERE schema = 'main' AND name = ?",
    );
    let without_rowid = without_rowid
        .bind::<Text, _>(table)
        .get_result::<Number>(conn)?;
    let keys = diesel::sql_query("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk");
    let keys = keys.bind::<Text, _>(table).load::<Name>(conn)?;
    let columns = diesel::sql_query("SELECT lower(name) AS name FROM pragma_table_xinfo(?)");
    let columns = columns.bind::<Text, _>(table).load::<Name>(conn)?;
    let rowid = ["rowid", "_rowid_", "oid"].into_iter().find(|name| {
        without_rowid.number == 0 && columns.iter().all(|column| column.name != *name)
    });
    Ok(match rowid {
        Some(rowid) => rowid.to_owned(),
        None if keys.is_empty() => "1".to_owned(),
        None => {
            let keys: Vec<String> = keys.iter().map(|key| quote(&key.name)).collect();
            keys.join(", ")
        }
    })
}

pub(super) fn count_rows(conn: &mut SqliteConnection, table: &str) -> QueryResult<u64> {
    let count = number(
        conn,
        format!("SELECT count(*) AS number FROM main.{}", quote(table)),
    )?;
    Ok(count.unsigned_abs())
}

pub(super) fn begin_load(conn: &mut SqliteConnection) -> QueryResult<Vec<String>> {
    conn.batch_execute("PRAGMA foreign_keys = OFF")?;
    AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?;
    // What a trigger would do was done when the rows were written for the first time, and is among them.
    let triggers = "SELECT sql AS name FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid";
    let aside = names(conn, triggers)?;
    for name in names(
        conn,
        "SELECT name FROM sqlite_schema WHERE type = 'trigger'",
    )? {
        conn.batch_execute(&format!("DROP TRIGGER {}", quote(&name)))?;
    }
    Ok(aside)
}

pub(super) fn end_load(conn: &mut SqliteConnection, aside: Vec<String>) -> QueryResult<()> {
    for trigger in aside {
        conn.batch_execute(&trigger)?;
    }
    AnsiTransactionManager::commit_transaction(conn)?;
    conn.batch_execute("PRAGMA foreign_keys = ON")
}

pub(super) fn insert_rows(
    conn: &mut SqliteConnection,
    table: &str,
    columns: &[&str],
    rows: &[Vec<Value>],
) -> QueryResult<()> {
    let names: Vec<String> = columns.iter().map(|column| quote(column)).collect();
    let head = format!(
        "INSERT INTO main.{} ({}) VALUES ",
        quote(table),
        names.join(", ")
    );
    let at_once = (MOST_PARAMETERS / columns.len().max(1)).clamp(1, 100);
    for rows in rows.chunks(at_once) {
        let mut sql = head.clone();
        for (number, row) in rows.iter().enumerate() {
            sql.push_str(if number == 0 { "(" } else { ", (" });
            for (number, value) in row.iter().enumerate() {
                sql.push_str(if number == 0 { "" } else { ", " });
                sql.push_str(match value {
                    Value::Null => "NULL",
                    Value::BrokenText(_) => "CAST(? AS TEXT)",
                    _ => "?",
                });
            }
            sql.push(')');
        }
        let mut insert = diesel::sql_query(sql).into_boxed::<Sqlite>();
        for value in rows.iter().flatten() {
            insert = match value {
                Value::Null => insert,
                Value::Integer(number) => insert.bind::<BigInt, _>(*number),
                Value::Real(number) => insert.bind::<Double, _>(*number),
                Value::Text(text) => insert.bind::<Text, _>(text.as_str()),
                Value::BrokenText(bytes) | Value::Blob(bytes) => {
                    insert.bind::<Binary, _>(bytes.as_slice())
                }
            };
        }
        insert.execute(conn)?;
    }
    Ok(())
}

pub(super) fn in_savepoint(
    conn: &mut SqliteConnection,
    f: &mut dyn FnMut(&mut SqliteConnection) -> QueryResult<()>,
) -> QueryResult<()> {
    conn.transaction(|conn| f(conn))
}

#[derive(QueryableByName)]
struct Orphans {
    #[diesel(sql_type = Text)]
    child: String,
    #[diesel(sql_type = Nullable<Text>)]
    child_column: Option<String>,
    #[diesel(sql_type = Text)]
    parent: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

pub(super) fn dangling(conn: &mut SqliteConnection) -> QueryResult<Vec<Dangling>> {
    let found = diesel::sql_query(
        "SELECT broken.\"table\" AS child, key.\"from\" AS child_column, broken.parent AS parent, count(*) AS rows
         FROM pragma_foreign_key_check AS broken
         LEFT JOIN pragma_foreign_key_list(broken.\"table\") AS key ON key.id = broken.fkid AND key.seq = 0
         GROUP BY 1, 2, 3 ORDER BY 1, 2",
    )
    .load::<Orphans>(conn)?;
    let found = found.into_iter().map(|row| Dangling {
        table: row.child,
        column: row.child_column.unwrap_or_default(),
        parent: row.parent,
        rows: row.rows.unsigned_abs(),
    });
    Ok(found.collect())
}

pub(super) fn clear_dangling(
    conn: &mut SqliteConnection,
    table: &str,
    column: &str,
) -> QueryResult<u64> {
    let update = format!(
        "UPDATE main.{table} SET {column} = NULL WHERE rowid IN (
             SELECT broken.rowid FROM pragma_foreign_key_check(?) AS broken
             JOIN pragma_foreign_key_list(?) AS key ON key.id = broken.fkid AND key.\"from\" = ? COLLATE NOCASE)",
        table = quote(table),
        column = quote(column),
    );
    let cleared = diesel::sql_query(update)
        .bind::<Text, _>(table)
        .bind::<Text, _>(table)
        .bind::<Text, _>(column)
        .execute(conn)?;
    Ok(cleared as u64)
}

/// At most a few findings: one is enough to refuse, and a large database in ruins has very many.
pub(super) fn integrity(conn: &mut SqliteConnection) -> QueryResult<Option<String>> {
    #[derive(QueryableByName)]
    struct Verdict {
        #[diesel(sql_type = Text)]
        integrity_check: String,
    }
    let found = diesel::sql_query("PRAGMA integrity_check(5)").load::<Verdict>(conn)?;
    let mut found = found.into_iter().map(|row| row.integrity_check);
    Ok(found.find(|verdict| verdict != "ok"))
}
