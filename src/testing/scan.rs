//! Searches every column of every table of a database, whatever the application says the tables are.
use diesel::RunQueryDsl;
use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Text};

/// How much was searched.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Searched {
    pub(super) columns: usize,
    pub(super) values: u64,
}

/// Calls `visit` with table, column and bytes of every value whose bytes contain `mark`, in upper or lower case.
///
/// `mark` is in lower case, and so are the bytes that are handed on.
pub(super) fn scan(
    conn: &mut SqliteConnection,
    mark: &str,
    mut visit: impl FnMut(&str, &str, &[u8]),
) -> QueryResult<Searched> {
    // From the database and not from the routing table: the library's own tables are searched too, and those that
    // somebody else has made.
    let columns = diesel::sql_query(
        "SELECT t.name AS table_name, c.name AS column_name
         FROM pragma_table_list AS t JOIN pragma_table_xinfo(t.name) AS c
         WHERE t.schema = 'main' AND t.type <> 'view'
         ORDER BY t.name, c.cid",
    )
    .load::<Column>(conn)?;
    let mut searched = Searched::default();
    for Column {
        table_name: table,
        column_name: column,
    } in &columns
    {
        // As a BLOB a text is its bytes, and a BLOB is itself.
        let values = diesel::sql_query(format!(
            "SELECT CAST({column} AS BLOB) AS bytes FROM main.{table} WHERE {column} IS NOT NULL",
            column = quoted(column),
            table = quoted(table),
        ));
        searched.columns += 1;
        for value in values.load_iter::<Value, DefaultLoadingMode>(conn)? {
            let mut bytes = value?.bytes;
            searched.values += 1;
            bytes.make_ascii_lowercase();
            if contains(&bytes, mark.as_bytes()) {
                visit(table, column, &bytes);
            }
        }
    }
    Ok(searched)
}

pub(super) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Binary)]
    bytes: Vec<u8>,
}
