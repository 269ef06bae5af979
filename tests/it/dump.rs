//! What is in a database, in a form in which two of them can be compared.
use std::collections::BTreeMap;
use std::path::PathBuf;

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_tenants::Tenancy;

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut SqliteConnection, sql: &str) -> Vec<String> {
    let lines = diesel::sql_query(sql).load::<Line>(conn).unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

/// Every row of every table, value by value with its type, and the definitions; the library's own left out.
pub(crate) fn dump(conn: &mut SqliteConnection) -> BTreeMap<String, Vec<String>> {
    const NOT_OURS: &str =
        "name NOT LIKE 'sqlite!_%' ESCAPE '!' AND name NOT LIKE '!_!_tenants!_%' ESCAPE '!'";
    let mut dump = BTreeMap::new();
    let tables =
        format!("SELECT name AS line FROM sqlite_schema WHERE type = 'table' AND {NOT_OURS}");
    for table in lines(conn, &tables) {
        let quoted = table.replace('\'', "''");
        let columns = format!("SELECT name AS line FROM pragma_table_xinfo('{quoted}')");
        let columns = lines(conn, &columns).into_iter().map(|column| {
            let column = format!("\"{}\"", column.replace('"', "\"\""));
            format!(
                "typeof({column}) || ':' || CASE typeof({column}) WHEN 'null' THEN ''
                 WHEN 'real' THEN printf('%!.20g', {column}) ELSE hex(CAST({column} AS BLOB)) END"
            )
        });
        let columns: Vec<String> = columns.collect();
        let rows = format!(
            "SELECT {} AS line FROM \"{}\" ORDER BY 1",
            columns.join(" || ' ' || "),
            table.replace('"', "\"\"")
        );
        let rows = lines(conn, &rows);
        dump.insert(table, rows);
    }
    let definitions = format!(
        "SELECT sql AS line FROM sqlite_schema WHERE sql IS NOT NULL AND {NOT_OURS} ORDER BY 1"
    );
    dump.insert(" definitions".to_owned(), lines(conn, &definitions));
    let has_counters = lines(
        conn,
        "SELECT name AS line FROM sqlite_schema WHERE name = 'sqlite_sequence'",
    );
    if !has_counters.is_empty() {
        let counters = "SELECT name || ' ' || seq AS line FROM sqlite_sequence ORDER BY 1";
        dump.insert(" counters".to_owned(), lines(conn, counters));
    }
    dump
}

/// The same of a tenant.
pub(crate) fn dump_of(tenancy: &Tenancy, id: &str) -> BTreeMap<String, Vec<String>> {
    let mut ctx = tenancy.tenant(&id.parse().unwrap()).unwrap();
    ctx.unrouted("read everything", |raw| {
        QueryResult::Ok(dump(raw.connection()))
    })
    .unwrap()
}

/// How two dumps differ, line by line.
pub(crate) fn logical_diff(
    one: &BTreeMap<String, Vec<String>>,
    other: &BTreeMap<String, Vec<String>>,
) -> Vec<String> {
    let mut differences = Vec::new();
    for name in one.keys().chain(other.keys()) {
        let (a, b) = (one.get(name), other.get(name));
        if a != b {
            differences.push(format!("{name}: {a:?} / {b:?}"));
        }
    }
    differences
}

/// The data directory of an open library.
pub(crate) fn root_of(tenancy: &Tenancy) -> PathBuf {
    let mut shared = tenancy.shared().unwrap();
    let file = shared.unrouted("where is it", |raw| {
        QueryResult::Ok(lines(
            raw.connection(),
            "SELECT file AS line FROM pragma_database_list WHERE name = 'main'",
        ))
    });
    PathBuf::from(&file.unwrap()[0])
        .parent()
        .unwrap()
        .to_owned()
}
