//! Columns that are added to a table in place, where SQLite can do that.
use std::collections::BTreeSet;

use diesel::prelude::*;

use super::ddl::{self, TableText, quote};
use super::rebuild::{Planner, lower};
use super::rows::breaking;
use crate::verify::Finding;
use crate::verify::schema::Table;

impl Planner<'_> {
    /// Plans those columns, and says which of them the rows do not allow.
    pub(super) fn add_columns(
        &mut self,
        key: &str,
        text: &TableText,
        columns: &[&str],
        findings: &[&Finding],
    ) -> QueryResult<()> {
        let (found, wanted) = (&self.found.tables[key], &self.wanted.tables[key]);
        for name in columns {
            let column = &wanted.columns[*name];
            let piece = text.columns.iter().find(|column| column.name == *name);
            let piece = piece.expect("a column that is missing was found in this text");
            // What the new column's own checks say of the value every row gets.
            let value = column.default.as_ref().map_or("NULL", |(_, text)| text);
            let rows = format!(
                "SELECT *, ({value}) AS {} FROM {}",
                quote(name),
                quote(&found.name)
            );
            let checks = text
                .checks
                .iter()
                .filter(|check| check.column.as_deref() == Some(name));
            let mut broken = 0;
            for check in checks {
                broken += breaking(self.conn, &rows, &check.text)?;
            }
            if broken > 0 {
                let missing = findings.iter().find(|finding| {
                    matches!(finding, Finding::MissingColumn { column, .. } if lower(column) == *name)
                });
                if let Some(finding) = missing {
                    self.leave(
                        finding,
                        format!("its default breaks its own CHECK in {broken} rows"),
                    );
                }
                continue;
            }
            let all = self
                .fresh
                .entry(key.to_owned())
                .or_insert_with(|| Some(BTreeSet::new()));
            if let Some(all) = all {
                all.insert((*name).to_owned());
            }
            let gets = match &column.default {
                Some((_, text)) => format!("every row gets {text}"),
                None => "every row gets NULL".to_owned(),
            };
            self.step(
                format!("add column `{}`.`{}`; {gets}", wanted.name, column.name),
                vec![format!(
                    "ALTER TABLE {} ADD COLUMN {}",
                    quote(&wanted.name),
                    piece.text
                )],
            );
        }
        Ok(())
    }
}

/// Whether `ALTER TABLE ADD COLUMN` can make a column as the migrations do.
/// The rules are those of <https://sqlite.org/lang_altertable.html#altertabaddcol>.
pub(super) fn is_addable(wanted: &Table, text: &TableText, name: &str) -> bool {
    let column = &wanted.columns[name];
    let Some(piece) = text.columns.iter().find(|piece| piece.name == name) else {
        return false;
    };
    let in_key = wanted.primary_key.iter().any(|key| key == name);
    let in_unique = wanted
        .uniques
        .iter()
        .any(|key| key.iter().any(|key| key == name));
    let own_reference = ddl::normal(&piece.text).contains(" references ");
    let in_reference = wanted
        .foreign_keys
        .iter()
        .any(|key| key.columns.iter().any(|key| key == name));
    let stored = column
        .generated
        .as_ref()
        .is_some_and(|(normal, _)| normal.ends_with(" STORED"));
    let default = match &column.default {
        None => !column.not_null || column.generated.is_some(),
        Some((normal, _)) => is_constant(normal) && !(column.not_null && normal == "null"),
    };
    // In parentheses even a constant counts as an expression.
    let in_parentheses = ddl::normal(&piece.text).contains(" default ( ");
    !in_key
        && !in_unique
        && !stored
        && default
        && !in_parentheses
        && (own_reference || !in_reference)
}

fn is_constant(normal: &str) -> bool {
    let number = normal.trim_start_matches(['+', '-', ' ']);
    number.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && number
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_'))
        || (normal.starts_with('\'') && normal.ends_with('\''))
        || normal.starts_with("x'")
        || matches!(normal, "null" | "true" | "false")
}
