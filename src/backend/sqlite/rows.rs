//! Whether the rows of a table allow what its definition is to become.
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::ddl::{TableText, quote};
use super::rebuild::{Copy, Planner, lower};
use crate::verify::Finding;
use crate::verify::schema::{Column, ForeignKey, Table};

impl Planner<'_> {
    /// Why the rows do not fit the new table, if they do not.
    pub(super) fn obstacle(
        &mut self,
        found: &Table,
        wanted: &Table,
        text: &TableText,
        findings: &[&Finding],
        copy: &Copy,
    ) -> QueryResult<Option<String>> {
        let rows = copy.rows.as_str();
        for check in &text.checks {
            let is_new = !found.checks.iter().any(|old| old.normal == check.normal);
            let on_generated = check
                .column
                .as_ref()
                .is_some_and(|column| wanted.columns[column].generated.is_some());
            if is_new && !on_generated {
                let broken = breaking(self.conn, rows, &check.text)?;
                if broken > 0 {
                    return Ok(Some(format!("{broken} rows break CHECK ({})", check.text)));
                }
            }
        }
        let mut keys: Vec<Vec<String>> =
            wanted.uniques.difference(&found.uniques).cloned().collect();
        if wanted.primary_key != found.primary_key {
            keys.push(wanted.primary_key.clone());
        }
        for key in keys.iter().filter(|key| !key.is_empty()) {
            let columns: Vec<String> = key.iter().map(|column| quote(column)).collect();
            let doubles = duplicates(self.conn, rows, &columns, None)?;
            if doubles > 0 {
                let key = key.join(", ");
                return Ok(Some(format!(
                    "{doubles} values of ({key}) occur in more than one row"
                )));
            }
        }
        for index in wanted.indexes.values().filter(|index| index.unique) {
            let same = found
                .indexes
                .get(&lower(&index.name))
                .is_some_and(|old| old.shape == index.shape);
            let on_old = self.is_on_old(&lower(&wanted.name), index);
            if !same && on_old && self.doubles(rows, index)? > 0 {
                return Ok(Some(format!(
                    "values of the unique index `{}` occur in more than one row",
                    index.name
                )));
            }
        }
        for key in wanted.foreign_keys.difference(&found.foreign_keys) {
            let orphans = self.orphans(rows, key)?;
            if orphans > 0 {
                let columns = key.columns.join(", ");
                return Ok(Some(format!(
                    "{orphans} rows of ({columns}) lead to no row of `{}`",
                    key.parent
                )));
            }
        }
        let strict = wanted.kind.contains("STRICT");
        let newly_strict = strict && !found.kind.contains("STRICT");
        for (name, column) in &wanted.columns {
            let changed = findings.iter().any(
                |finding| matches!(finding, Finding::ColumnType { column, .. } if lower(column) == *name),
            );
            if !(changed || newly_strict) || !found.columns.contains_key(name) {
                continue;
            }
            if let Some(misfit) = misfit(column, strict) {
                let query = format!("SELECT count(*) AS rows FROM ({rows}) WHERE {misfit}");
                let lost = count(self.conn, &query)?;
                if lost > 0 {
                    return Ok(Some(format!(
                        "{lost} values of `{}` would be changed by the type {}",
                        column.name, column.declared_type
                    )));
                }
            }
        }
        Ok(None)
    }

    fn orphans(&mut self, rows: &str, key: &ForeignKey) -> QueryResult<u64> {
        let set: Vec<String> = key
            .columns
            .iter()
            .map(|column| format!("child.{} IS NOT NULL", quote(column)))
            .collect();
        let child = set.join(" AND ");
        let Some(parent) = self.found.tables.get(&key.parent) else {
            let query = format!("SELECT count(*) AS rows FROM ({rows}) AS child WHERE {child}");
            return count(self.conn, &query);
        };
        let columns = match key.parent_columns.is_empty() {
            true => &parent.primary_key,
            false => &key.parent_columns,
        };
        if columns
            .iter()
            .any(|column| !parent.columns.contains_key(column))
        {
            return Ok(0);
        }
        let equal: Vec<String> = key
            .columns
            .iter()
            .zip(columns)
            .map(|(child, parent)| format!("parent.{} = child.{}", quote(parent), quote(child)))
            .collect();
        let query = format!(
            "SELECT count(*) AS rows FROM ({rows}) AS child WHERE {child} AND NOT EXISTS (SELECT 1 FROM {} AS parent WHERE {})",
            quote(&parent.name),
            equal.join(" AND ")
        );
        count(self.conn, &query)
    }
}

pub(super) fn count(conn: &mut SqliteConnection, query: &str) -> QueryResult<u64> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let count = diesel::sql_query(query).get_result::<Count>(conn)?;
    Ok(count.rows.unsigned_abs())
}

pub(super) fn breaking(conn: &mut SqliteConnection, rows: &str, check: &str) -> QueryResult<u64> {
    count(
        conn,
        &format!("SELECT count(*) AS rows FROM ({rows}) WHERE NOT ({check})"),
    )
}

pub(super) fn duplicates(
    conn: &mut SqliteConnection,
    rows: &str,
    columns: &[String],
    filter: Option<&str>,
) -> QueryResult<u64> {
    // NULL is equal to nothing, also not to another NULL.
    let set: Vec<String> = columns
        .iter()
        .map(|column| format!("({column}) IS NOT NULL"))
        .collect();
    let filter = filter.unwrap_or("1");
    let query = format!(
        "SELECT count(*) AS rows FROM (SELECT 1 FROM ({rows}) WHERE ({filter}) AND {} GROUP BY {} HAVING count(*) > 1)",
        set.join(" AND "),
        columns.join(", ")
    );
    count(conn, &query)
}

/// The condition under which a value does not fit a column's type, or would be changed by it. None where every value
/// stays as it is. The rules are those of <https://sqlite.org/datatype3.html#determination_of_column_affinity>.
fn misfit(column: &Column, strict: bool) -> Option<String> {
    let name = quote(&column.name);
    let declared = column.declared_type.as_str();
    let has = |part: &str| declared.contains(part);
    if strict {
        let kinds = match declared {
            "INT" | "INTEGER" => "'integer'",
            "REAL" => "'real', 'integer'",
            "TEXT" => "'text'",
            "BLOB" => "'blob'",
            _ => return None,
        };
        return Some(format!(
            "{name} IS NOT NULL AND typeof({name}) NOT IN ({kinds})"
        ));
    }
    let text_changes = |to: &str| {
        format!("(typeof({name}) = 'text' AND CAST(CAST({name} AS {to}) AS TEXT) IS NOT {name})")
    };
    if has("INT") {
        let fraction = format!("(typeof({name}) = 'real' AND {name} <> CAST({name} AS INTEGER))");
        Some(format!(
            "{} OR {fraction} OR typeof({name}) = 'blob'",
            text_changes("INTEGER")
        ))
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        Some(format!("typeof({name}) IN ('real', 'blob')"))
    } else if declared.is_empty() || has("BLOB") {
        None
    } else if has("REAL") || has("FLOA") || has("DOUB") {
        // Beyond 2^53 not every integer is a float.
        let large = format!("(typeof({name}) = 'integer' AND abs({name}) > 9007199254740992)");
        Some(format!(
            "{} OR {large} OR typeof({name}) = 'blob'",
            text_changes("REAL")
        ))
    } else {
        // NUMERIC, and with it DATE, TIMESTAMP and BOOLEAN: a text that looks like a number becomes one. One that does
        // not, such as a date, stays.
        Some(format!(
            "(typeof({name}) = 'text' AND typeof(CAST({name} AS NUMERIC)) <> 'text' AND {name} GLOB '[0-9.+-]*' \
             AND NOT {name} GLOB '*[^0-9.eE+-]*' AND NOT {name} GLOB '?*-*' AND CAST(CAST({name} AS NUMERIC) AS TEXT) IS NOT {name})"
        ))
    }
}
