//! What was found out about another program's database.
use std::fmt;

use super::convert::Misfit;
use crate::backend::transfer::SourceFacts;

/// What another program's database is, and what would become of it: made by [`Tenancy::inspect`](crate::Tenancy::inspect).
///
/// Names tables, columns and numbers of rows; never a value. `Display` is for people, `Serialize` for programs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// Whether it can be adopted as it is: there is no reason against it.
    pub adoptable: bool,
    /// Every reason against it.
    pub reasons: Vec<Reason>,
    /// The file.
    pub source: SourceFacts,
    /// The tables that are taken over, in the order of ours.
    pub tables: Vec<TableFit>,
    /// Tables that the mapping names and the file does not have.
    pub absent: Vec<String>,
    /// Tables that nothing is made of, and that are not left behind on purpose.
    pub left_over: Vec<LeftBehind>,
    /// Tables left behind on purpose: Django's own, and those the mapping ignores.
    pub ignored: Vec<LeftBehind>,
    /// Views and virtual tables. They are not looked into.
    pub not_tables: Vec<String>,
}

/// A table of theirs on its way into one of ours.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct TableFit {
    /// Their table.
    pub from: String,
    /// Ours.
    pub to: String,
    /// Rows it has.
    pub rows: u64,
    /// Rows the mapping leaves behind.
    pub skipped: u64,
    /// Rows taken over.
    pub taken: u64,
    /// Our columns that get their default or NULL.
    pub unfilled: Vec<String>,
    /// Our columns whose values are converted.
    pub converted: Vec<String>,
    /// Their columns that nothing is made of.
    pub left_over: Vec<String>,
    /// Their columns with values longer than they declare, and how many. They are taken over whole.
    pub too_long: Vec<(String, u64)>,
    /// Our columns that point to rows of the shared database, and how many do. Whether those exist is not known.
    pub unresolved: Vec<(String, u64)>,
    /// Our columns with references to rows that are not there, which became NULL, and how many.
    pub cleared: Vec<(String, u64)>,
}

/// A table that stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LeftBehind {
    /// Its name.
    pub table: String,
    /// Rows in it.
    pub rows: u64,
}

/// Why a database cannot be adopted with this mapping.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Nothing of it would be taken over.
    #[error("none of its tables becomes one of ours; write a mapping")]
    Nothing,
    /// A table that must be there.
    #[error("the file has no table `{table}`, which the mapping requires")]
    Required {
        /// The table.
        table: String,
    },
    /// A table of ours that is not.
    #[error(
        "the mapping makes `{table}`, which is no table of a tenant{}",
        hint(nearest)
    )]
    UnknownTable {
        /// The table named.
        table: String,
        /// The most like it.
        nearest: Option<String>,
    },
    /// A column of ours that is not.
    #[error(
        "the mapping fills `{column}` of `{table}`, which is no column of it{}",
        hint(nearest)
    )]
    UnknownColumn {
        /// Our table.
        table: String,
        /// The column named.
        column: String,
        /// The most like it.
        nearest: Option<String>,
    },
    /// A column of theirs that is not.
    #[error(
        "the mapping reads `{column}` of `{table}`, which the file does not have{}",
        hint(nearest)
    )]
    UnknownSource {
        /// Their table.
        table: String,
        /// The column named.
        column: String,
        /// The most like it.
        nearest: Option<String>,
    },
    /// A column of ours that must have a value.
    #[error(
        "nothing fills `{column}` of `{table}`, which takes no NULL and has no default; give it in the mapping"
    )]
    Unfilled {
        /// Our table.
        table: String,
        /// The column.
        column: String,
    },
    /// Values that do not fit.
    #[error("{rows} values for `{column}` of `{table}` are {misfit} (the first in row {first})")]
    Values {
        /// Our table.
        table: String,
        /// Our column.
        column: String,
        /// What is wrong with them.
        misfit: Misfit,
        /// How many.
        rows: u64,
        /// The first row of their table with one, counted from 1.
        first: u64,
    },
    /// Rows that our table does not take.
    #[error("`{table}` refuses {rows} rows (the first is row {first}): {rule}")]
    Refused {
        /// Our table.
        table: String,
        /// The rule they break, in the database system's words.
        rule: String,
        /// How many.
        rows: u64,
        /// The first row of their table, counted from 1.
        first: u64,
    },
    /// References to rows that are not there.
    #[error(
        "{rows} rows of `{table}` refer by `{column}` to rows of `{parent}` that are not there"
    )]
    Orphans {
        /// Our table.
        table: String,
        /// The column.
        column: String,
        /// The table it refers to.
        parent: String,
        /// How many.
        rows: u64,
    },
    /// Rows that would be left behind, where that is not allowed.
    #[error(
        "`{table}` has {rows} rows that would be left behind; map it or list it under `ignore`"
    )]
    LeftOver {
        /// The table.
        table: String,
        /// How many.
        rows: u64,
    },
    /// Our table has not the rows it should have.
    #[error("`{table}` has {found} rows after the copy, should have {wanted}")]
    Count {
        /// Our table.
        table: String,
        /// Rows found.
        found: u64,
        /// Rows it should have.
        wanted: u64,
    },
}

fn hint(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => String::new(),
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.source;
        writeln!(
            f,
            "{} bytes, {}, pages of {}",
            facts.bytes, facts.encoding, facts.page_size
        )?;
        for table in &self.tables {
            writeln!(
                f,
                "{} -> {}: {} of {} rows",
                table.from, table.to, table.taken, table.rows
            )?;
            if table.skipped > 0 {
                writeln!(f, "    {} rows skipped by the mapping", table.skipped)?;
            }
            for (what, columns) in [
                ("default or NULL in", &table.unfilled),
                ("converted:", &table.converted),
                ("left over:", &table.left_over),
            ] {
                if !columns.is_empty() {
                    writeln!(f, "    {what} {}", columns.join(", "))?;
                }
            }
            for (what, columns) in [
                ("values longer than declared", &table.too_long),
                (
                    "unresolved references to the shared database",
                    &table.unresolved,
                ),
                ("references to missing rows, now NULL", &table.cleared),
            ] {
                for (column, rows) in columns {
                    writeln!(f, "    {column}: {rows} {what}")?;
                }
            }
        }
        for (what, tables) in [("left over", &self.left_over), ("ignored", &self.ignored)] {
            for left in tables {
                writeln!(f, "{what}: {} ({} rows)", left.table, left.rows)?;
            }
        }
        for table in &self.absent {
            writeln!(f, "not in the file: {table}")?;
        }
        for name in &self.not_tables {
            writeln!(f, "no table, not looked into: {name}")?;
        }
        match self.adoptable {
            true => f.write_str("adoptable")?,
            false => f.write_str("not adoptable:")?,
        }
        self.reasons
            .iter()
            .try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}
