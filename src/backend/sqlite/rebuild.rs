//! What SQL mends a schema, and whether the rows allow it.
//!
//! A column is added in place where SQLite can do that; everything else is a rebuild of its table as
//! <https://sqlite.org/lang_altertable.html> describes it: a new table, the rows copied, the old one dropped, the new one
//! renamed, indexes and triggers made anew. Whatever the migrations do not know stays: an unexpected column is carried over
//! with its values, an unexpected index or trigger is made again.
use std::collections::{BTreeMap, BTreeSet};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::added::is_addable;
use super::ddl::{self, RowChange, TableText, quote};
use super::rows::{count, duplicates};
use crate::migrate::{Dialect, MigrationSet, statements};
use crate::repair::{Fills, LeftAlone, NeededValue, Planned, RepairConnection, RepairStep};
use crate::verify::Finding;
use crate::verify::schema::{Index, Schema, Table};

/// The name a table has while it is rebuilt. The prefix is reserved, so no table of the application has it.
const REBUILT: &str = "\"__tenants_rebuilt\"";

impl RepairConnection for SqliteConnection {
    fn plan_steps(
        &mut self,
        found: &Schema,
        wanted: &Schema,
        findings: &[Finding],
        set: &MigrationSet,
        fills: &Fills,
    ) -> QueryResult<Planned> {
        let mut planner = Planner {
            conn: self,
            found,
            wanted,
            fills,
            planned: Planned::default(),
            indexes: Vec::new(),
            triggers: Vec::new(),
            fresh: BTreeMap::new(),
        };
        planner.run(findings, set)?;
        Ok(planner.planned)
    }

    fn unfence_statements(&mut self) -> QueryResult<Vec<String>> {
        let triggers = diesel::sql_query(
            "SELECT name AS text FROM sqlite_schema WHERE type = 'trigger' AND name LIKE '\\_\\_tenants\\_fence\\_%' ESCAPE '\\'",
        )
        .load::<Name>(self)?;
        let mut all: Vec<String> = triggers
            .iter()
            .map(|name| format!("DROP TRIGGER {}", quote(&name.text)))
            .collect();
        all.push("UPDATE __tenants_identity SET fenced = 0".to_owned());
        Ok(all)
    }

    fn begin_repair(&mut self) -> QueryResult<()> {
        // Neither has an effect inside a transaction. A table is dropped and renamed while others refer to it: with
        // foreign keys on that would delete their rows, and SQLite would refuse or rewrite views and triggers.
        self.batch_execute(
            "PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON; PRAGMA synchronous = FULL;",
        )?;
        crate::backend::Backend::begin_write(self)
    }

    fn row_counts(&mut self, schema: &Schema) -> QueryResult<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for (key, table) in &schema.tables {
            let rows = count(
                self,
                &format!("SELECT count(*) AS rows FROM {}", quote(&table.name)),
            )?;
            counts.insert(key.clone(), rows);
        }
        Ok(counts)
    }
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    text: String,
}

pub(super) struct Planner<'a> {
    pub(super) conn: &'a mut SqliteConnection,
    pub(super) found: &'a Schema,
    pub(super) wanted: &'a Schema,
    fills: &'a Fills,
    planned: Planned,
    /// Made once the rows are filled: what they hold only then may be unique.
    indexes: Vec<RepairStep>,
    /// Made last: they must not fire while rows are filled.
    triggers: Vec<RepairStep>,
    /// Columns that are new, by table; `None` is the whole table.
    pub(super) fresh: BTreeMap<String, Option<BTreeSet<String>>>,
}

pub(super) fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// The table a finding about a table's parts is about.
fn table_of(finding: &Finding) -> Option<&str> {
    use Finding::*;
    match finding {
        TableKind { table, .. }
        | MissingColumn { table, .. }
        | UnexpectedColumn { table, .. }
        | ColumnType { table, .. }
        | Nullability { table, .. }
        | Default { table, .. }
        | Generated { table, .. }
        | Collation { table, .. }
        | PrimaryKey { table, .. }
        | MissingCheck { table, .. }
        | UnexpectedCheck { table, .. }
        | MissingUnique { table, .. }
        | UnexpectedUnique { table, .. }
        | MissingForeignKey { table, .. }
        | UnexpectedForeignKey { table, .. }
        | ForeignKeyDiffers { table, .. }
        | MissingIndex { table, .. }
        | UnexpectedIndex { table, .. }
        | IndexDiffers { table, .. }
        | MissingTrigger { table, .. }
        | UnexpectedTrigger { table, .. }
        | TriggerDiffers { table, .. } => Some(table),
        _ => None,
    }
}

/// Whether only a rebuild of the table can mend it.
fn needs_rebuild(finding: &Finding) -> bool {
    use Finding::*;
    matches!(
        finding,
        TableKind { .. }
            | ColumnType { .. }
            | Nullability { .. }
            | Default { .. }
            | Generated { .. }
            | Collation { .. }
            | PrimaryKey { .. }
            | MissingCheck { .. }
            | UnexpectedCheck { .. }
            | MissingUnique { .. }
            | UnexpectedUnique { .. }
            | MissingForeignKey { .. }
            | UnexpectedForeignKey { .. }
            | ForeignKeyDiffers { .. }
    )
}

const NOT_OURS: &str = "no migration makes it; removing it could destroy data, so it stays";

impl Planner<'_> {
    fn run(&mut self, findings: &[Finding], set: &MigrationSet) -> QueryResult<()> {
        let mut by_table: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
        let mut views = Vec::new();
        for finding in findings {
            match finding {
                Finding::MissingTable { table, .. } => self.make_table(&lower(table)),
                Finding::MissingView { view, .. } | Finding::ViewDiffers { view } => {
                    let drop = matches!(finding, Finding::ViewDiffers { .. });
                    views.push((view.clone(), drop));
                }
                Finding::UnexpectedTable { .. }
                | Finding::UnexpectedView { .. }
                | Finding::WrongScope { .. } => self.leave(finding, NOT_OURS),
                other => {
                    if let Some(table) = table_of(other) {
                        by_table.entry(lower(table)).or_default().push(other);
                    }
                }
            }
        }
        for (table, findings) in by_table {
            self.mend_table(&table, &findings)?;
        }
        self.fill_rows(findings, set);
        let indexes = std::mem::take(&mut self.indexes);
        self.planned.steps.extend(indexes);
        for (view, drop) in views {
            let definition = &self.wanted.views[&lower(&view)];
            let mut sql = Vec::new();
            if drop {
                sql.push(format!("DROP VIEW {}", quote(&view)));
            }
            sql.push(definition.sql.clone());
            self.step(format!("make view `{view}` as the migrations do"), sql);
        }
        let triggers = std::mem::take(&mut self.triggers);
        self.planned.steps.extend(triggers);
        Ok(())
    }

    pub(super) fn step(&mut self, text: String, sql: Vec<String>) {
        self.planned.steps.push(RepairStep::new(text, sql));
    }

    pub(super) fn leave(&mut self, finding: &Finding, why: impl Into<String>) {
        self.planned.left.push(LeftAlone {
            finding: finding.clone(),
            why: why.into(),
        });
    }

    fn make_table(&mut self, key: &str) {
        let table = &self.wanted.tables[key];
        let mut sql = vec![table.sql.clone()];
        sql.extend(table.indexes.values().map(|index| index.sql.clone()));
        self.fresh.insert(key.to_owned(), None);
        self.step(format!("make table `{}`", table.name), sql);
        for trigger in table.triggers.values() {
            let text = format!("make trigger `{}` on `{}`", trigger.name, table.name);
            self.triggers
                .push(RepairStep::new(text, vec![trigger.sql.clone()]));
        }
    }

    fn mend_table(&mut self, key: &str, findings: &[&Finding]) -> QueryResult<()> {
        let (found, wanted) = (&self.found.tables[key], &self.wanted.tables[key]);
        let text = ddl::table(&wanted.sql);
        for finding in findings {
            if matches!(
                finding,
                Finding::UnexpectedColumn { .. }
                    | Finding::UnexpectedIndex { .. }
                    | Finding::UnexpectedTrigger { .. }
            ) {
                self.leave(finding, NOT_OURS);
            }
        }
        let missing: Vec<&str> = text
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .filter(|column| !found.columns.contains_key(*column))
            .collect();
        let addable = |column: &&&str| is_addable(wanted, &text, column);
        let can_add: Vec<&str> = missing.iter().filter(addable).copied().collect();
        let rebuild =
            findings.iter().any(|finding| needs_rebuild(finding)) || can_add.len() < missing.len();
        if rebuild {
            match self.rebuild(key, &text, findings)? {
                Ok(()) => {
                    self.fresh.insert(
                        key.to_owned(),
                        Some(missing.iter().map(|name| (*name).to_owned()).collect()),
                    );
                    return Ok(());
                }
                Err(why) => {
                    for finding in findings {
                        let added = matches!(finding, Finding::MissingColumn { column, .. }
                            if can_add.contains(&lower(column).as_str()));
                        let is_column = matches!(finding, Finding::MissingColumn { .. });
                        if needs_rebuild(finding) || (is_column && !added) {
                            self.leave(finding, why.clone());
                        }
                    }
                }
            }
        }
        self.add_columns(key, &text, &can_add, findings)?;
        self.make_indexes(found, wanted, findings)?;
        for finding in findings {
            let (name, drop) = match finding {
                Finding::MissingTrigger { trigger, .. } => (trigger, false),
                Finding::TriggerDiffers { trigger, .. } => (trigger, true),
                _ => continue,
            };
            let trigger = &wanted.triggers[&lower(name)];
            let mut sql = Vec::new();
            if drop {
                sql.push(format!("DROP TRIGGER {}", quote(name)));
            }
            sql.push(trigger.sql.clone());
            let text = format!(
                "make trigger `{name}` on `{}` as the migrations do",
                wanted.name
            );
            self.triggers.push(RepairStep::new(text, sql));
        }
        Ok(())
    }

    fn make_indexes(
        &mut self,
        found: &Table,
        wanted: &Table,
        findings: &[&Finding],
    ) -> QueryResult<()> {
        for finding in findings {
            let (name, drop) = match finding {
                Finding::MissingIndex { index, .. } => (index, false),
                Finding::IndexDiffers { index, .. } => (index, true),
                _ => continue,
            };
            let index = &wanted.indexes[&lower(name)];
            let there = |column: &String| {
                !wanted.columns.contains_key(column)
                    || found.columns.contains_key(column)
                    || matches!(self.fresh.get(&lower(&wanted.name)), Some(Some(all)) if all.contains(column))
            };
            if !index.columns.iter().all(there) {
                self.leave(finding, "a column it is on is missing and cannot be added");
                continue;
            }
            let on_old = self.is_on_old(&lower(&wanted.name), index);
            if index.unique && on_old {
                let rows = format!("SELECT * FROM {}", quote(&found.name));
                let doubles = self.doubles(&rows, index)?;
                if doubles > 0 {
                    self.leave(
                        finding,
                        format!("{doubles} values occur in more than one row"),
                    );
                    continue;
                }
            }
            let mut sql = Vec::new();
            if drop {
                sql.push(format!("DROP INDEX {}", quote(name)));
            }
            sql.push(index.sql.clone());
            let text = format!("make index `{name}` on `{}`", wanted.name);
            self.indexes.push(RepairStep::new(text, sql));
        }
        Ok(())
    }

    /// Whether all an index is on was there before. What is new is filled first, so nothing can be said of it yet.
    pub(super) fn is_on_old(&self, table: &str, index: &Index) -> bool {
        let known = &self.wanted.tables[table].columns;
        match self.found.tables.get(table) {
            Some(found) => index
                .columns
                .iter()
                .all(|part| match known.contains_key(part) {
                    true => found.columns.contains_key(part),
                    // An expression may be on anything.
                    false => known
                        .keys()
                        .all(|column| found.columns.contains_key(column)),
                }),
            None => false,
        }
    }

    pub(super) fn doubles(&mut self, rows: &str, index: &Index) -> QueryResult<u64> {
        let (expressions, filter) = ddl::index(&index.sql);
        duplicates(self.conn, rows, &expressions, filter.as_deref())
    }

    /// Plans the rebuild of a table, or says why its rows do not allow it.
    fn rebuild(
        &mut self,
        key: &str,
        text: &TableText,
        findings: &[&Finding],
    ) -> QueryResult<Result<(), String>> {
        let (found, wanted) = (&self.found.tables[key], &self.wanted.tables[key]);
        if text.columns.is_empty()
            || found.sql.is_empty()
            || is_virtual(found)
            || is_virtual(wanted)
        {
            return Ok(Err("a virtual table cannot be rebuilt".to_owned()));
        }
        let copy = match self.copy(found, wanted, text)? {
            Ok(copy) => copy,
            Err(why) => return Ok(Err(why)),
        };
        if let Some(why) = self.obstacle(found, wanted, text, findings, &copy)? {
            return Ok(Err(why));
        }
        let mut parts: Vec<String> = text
            .columns
            .iter()
            .map(|column| column.text.clone())
            .collect();
        parts.extend(copy.extra.clone());
        parts.extend(text.constraints.clone());
        let (name, into) = (quote(&wanted.name), copy.columns.join(", "));
        let mut sql = vec![
            format!(
                "CREATE TABLE {REBUILT} ({}) {}",
                parts.join(", "),
                text.options
            ),
            format!("INSERT INTO {REBUILT} ({into}) {}", copy.rows),
        ];
        if text.autoincrement && ddl::table(&found.sql).autoincrement {
            // A number that was given and whose row is gone must not be given again.
            sql.push("DELETE FROM sqlite_sequence WHERE name = '__tenants_rebuilt'".to_owned());
            sql.push(format!(
                "INSERT INTO sqlite_sequence (name, seq) SELECT '__tenants_rebuilt', seq FROM sqlite_sequence WHERE name = '{}'",
                found.name.replace('\'', "''")
            ));
        }
        sql.push(format!("DROP TABLE {}", quote(&found.name)));
        sql.push(format!("ALTER TABLE {REBUILT} RENAME TO {name}"));
        let mut indexes: BTreeMap<_, _> = found.indexes.iter().collect();
        indexes.extend(&wanted.indexes);
        let mut triggers: BTreeMap<_, _> = found.triggers.iter().collect();
        triggers.extend(&wanted.triggers);
        let what: Vec<String> = findings
            .iter()
            .filter(|finding| {
                needs_rebuild(finding) || matches!(finding, Finding::MissingColumn { .. })
            })
            .map(|finding| finding.to_string())
            .collect();
        self.step(
            format!(
                "rebuild table `{}`, all its rows kept ({})",
                wanted.name,
                what.join("; ")
            ),
            sql,
        );
        for index in indexes.values() {
            let text = format!("make index `{}` on `{}` again", index.name, wanted.name);
            self.indexes
                .push(RepairStep::new(text, vec![index.sql.clone()]));
        }
        for trigger in triggers.values() {
            let text = format!("make trigger `{}` on `{}` again", trigger.name, wanted.name);
            self.triggers
                .push(RepairStep::new(text, vec![trigger.sql.clone()]));
        }
        Ok(Ok(()))
    }

    /// How the rows get into the new table, or why they cannot.
    fn copy(
        &mut self,
        found: &Table,
        wanted: &Table,
        text: &TableText,
    ) -> QueryResult<Result<Copy, String>> {
        let from = quote(&found.name);
        let rows = count(self.conn, &format!("SELECT count(*) AS rows FROM {from}"))?;
        let mut copy = Copy::default();
        let mut values = Vec::new();
        let mut needed = Vec::new();
        for piece in &text.columns {
            let column = &wanted.columns[&piece.name];
            if column.generated.is_some() {
                continue;
            }
            let name = quote(&column.name);
            let fill = self.fills.get(&wanted.name, &column.name);
            let value = match found.columns.get(&piece.name) {
                Some(old) if column.not_null && !old.not_null => {
                    let nulls = format!("SELECT count(*) AS rows FROM {from} WHERE {name} IS NULL");
                    match (count(self.conn, &nulls)?, fill) {
                        (0, _) => name.clone(),
                        (_, Some(fill)) => format!("coalesce({name}, {fill})"),
                        (rows, None) => {
                            needed.push((column, rows));
                            name.clone()
                        }
                    }
                }
                Some(_) => name.clone(),
                None => match (fill, &column.default) {
                    (Some(fill), _) => fill.to_owned(),
                    (None, Some((_, default))) => format!("({default})"),
                    (None, None) => {
                        if column.not_null && rows > 0 {
                            needed.push((column, rows));
                        }
                        "NULL".to_owned()
                    }
                },
            };
            values.push(format!("{value} AS {name}"));
            copy.columns.push(name);
        }
        for (key, column) in &found.columns {
            if wanted.columns.contains_key(key) {
                continue;
            }
            let piece = ddl::table(&found.sql)
                .columns
                .into_iter()
                .find(|piece| piece.name == *key);
            let Some(piece) = piece else { continue };
            copy.extra.push(piece.text);
            if column.generated.is_none() {
                let name = quote(&column.name);
                values.push(name.clone());
                copy.columns.push(name);
            }
        }
        if needed.is_empty() {
            copy.rows = format!("SELECT {} FROM {from}", values.join(", "));
            return Ok(Ok(copy));
        }
        let names: Vec<String> = needed
            .iter()
            .map(|(column, _)| format!("`{}`", column.name))
            .collect();
        for (column, rows) in needed {
            self.planned.needs.push(NeededValue {
                table: wanted.name.clone(),
                column: column.name.clone(),
                declared_type: column.declared_type.clone(),
                rows,
            });
        }
        Ok(Err(format!(
            "{} must not be NULL, and what its rows should hold cannot be invented: give a value to fill in",
            names.join(", ")
        )))
    }

    /// What the missing migrations did to rows is done again where it touches nothing but what is new: values of new
    /// columns, rows of new tables. Anything else they did to rows may have been overtaken since.
    fn fill_rows(&mut self, findings: &[Finding], set: &MigrationSet) {
        let versions: BTreeSet<&str> = findings
            .iter()
            .filter_map(|finding| match finding {
                Finding::MissingTable { migration, .. }
                | Finding::MissingColumn { migration, .. } => {
                    migration.as_ref().map(|by| by.version.as_str())
                }
                _ => None,
            })
            .collect();
        for script in set
            .iter()
            .filter(|script| versions.contains(script.version()))
        {
            let mut sql = Vec::new();
            for statement in statements(script.sql(), Dialect::Sqlite) {
                let text = statement.text().trim().trim_end_matches(';').to_owned();
                let only_new = match ddl::row_change(&text) {
                    None => continue,
                    Some(RowChange::Insert { table }) => {
                        matches!(self.fresh.get(&table), Some(None))
                    }
                    Some(RowChange::Update { table, columns }) => match self.fresh.get(&table) {
                        Some(None) => true,
                        Some(Some(fresh)) => columns.iter().all(|column| fresh.contains(column)),
                        None => false,
                    },
                    Some(RowChange::Other) => false,
                };
                match only_new {
                    true => sql.push(text),
                    false => self.planned.notes.push(format!(
                        "migration {} ({}) also changes rows that were there before ({}); that is not done again, look whether it is needed",
                        script.version(),
                        script.name(),
                        beginning(&text)
                    )),
                }
            }
            if !sql.is_empty() {
                self.step(
                    format!(
                        "fill what is new as migration {} ({}) does",
                        script.version(),
                        script.name()
                    ),
                    sql,
                );
            }
        }
    }
}

/// The first words of a statement, which name what it does and to which table.
fn beginning(sql: &str) -> String {
    let code = sql
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"));
    let words: Vec<&str> = code.flat_map(str::split_whitespace).take(3).collect();
    format!("{} …", words.join(" "))
}

/// How the rows of a table get into its successor.
#[derive(Default)]
pub(super) struct Copy {
    /// The columns that are written, quoted.
    columns: Vec<String>,
    /// The SELECT that gives their values.
    pub(super) rows: String,
    /// Definitions of columns that no migration makes, to be carried over.
    extra: Vec<String>,
}

fn is_virtual(table: &Table) -> bool {
    table.kind.starts_with("create virtual ")
}
