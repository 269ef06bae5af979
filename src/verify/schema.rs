//! A database's schema with everything that has no meaning evened out, and how two of them differ.
use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::finding::Finding;

/// The schema of a database, the library's own objects and the database system's left out.
///
/// Names are keys in lower case. The order of a table's columns is not part of it: `ALTER TABLE ADD COLUMN` can put a
/// column at the end only, and every statement of this library and of Diesel names the columns it means.
#[doc(hidden)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    pub tables: BTreeMap<String, Table>,
    pub views: BTreeMap<String, Definition>,
}

/// A table.
#[doc(hidden)]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    pub name: String,
    pub sql: String,
    /// `ordinary`, or with `strict`, `without rowid`, `autoincrement`; a virtual table's whole definition.
    pub kind: String,
    pub columns: BTreeMap<String, Column>,
    /// The columns of the primary key in the order of the key.
    pub primary_key: Vec<String>,
    pub checks: Vec<Check>,
    /// Columns of each UNIQUE constraint, in lower case.
    pub uniques: BTreeSet<Vec<String>>,
    pub foreign_keys: BTreeSet<ForeignKey>,
    pub indexes: BTreeMap<String, Index>,
    pub triggers: BTreeMap<String, Definition>,
}

/// A column.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// In upper case, empty where none was declared.
    pub declared_type: String,
    pub not_null: bool,
    /// Normal form and text.
    pub default: Option<(String, String)>,
    /// Normal form (with STORED or VIRTUAL) and text.
    pub generated: Option<(String, String)>,
    pub collation: Option<String>,
}

/// A CHECK constraint.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub normal: String,
    pub text: String,
    pub column: Option<String>,
}

/// A foreign key, names in lower case.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ForeignKey {
    pub columns: Vec<String>,
    pub parent: String,
    pub parent_columns: Vec<String>,
    /// Actions and deferral, where they are not the default.
    pub rules: String,
}

impl ForeignKey {
    fn shown(&self) -> String {
        let parent = match self.parent_columns.is_empty() {
            true => self.parent.clone(),
            false => format!("{} ({})", self.parent, self.parent_columns.join(", ")),
        };
        match self.rules.is_empty() {
            true => parent,
            false => format!("{parent} {}", self.rules),
        }
    }
}

/// An index.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    pub name: String,
    pub sql: String,
    /// `UNIQUE (a, b DESC) WHERE …`, normal.
    pub shape: String,
    pub unique: bool,
    /// The columns it is on, in lower case; expressions as their text.
    pub columns: Vec<String>,
}

/// A view or trigger.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    pub sql: String,
    pub normal: String,
}

impl Table {
    /// The checks that belong to the table itself or to a column that `has`.
    fn checks_of(&self, has: impl Fn(&str) -> bool) -> BTreeMap<&str, &Check> {
        let ours = self
            .checks
            .iter()
            .filter(|check| check.column.as_deref().is_none_or(&has));
        ours.map(|check| (check.normal.as_str(), check)).collect()
    }
}

impl Schema {
    /// A hash of what the schema means: two databases that do not differ have one fingerprint.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        for (name, table) in &self.tables {
            part(name);
            part(&table.kind);
            for (name, column) in &table.columns {
                part(name);
                part(&column.declared_type);
                part(if column.not_null { "not null" } else { "" });
                part(column.default.as_ref().map_or("", |(normal, _)| normal));
                part(column.generated.as_ref().map_or("", |(normal, _)| normal));
                part(column.collation.as_deref().unwrap_or_default());
            }
            part(&table.primary_key.join(","));
            for check in table.checks_of(|_| true).keys() {
                part(check);
            }
            for columns in &table.uniques {
                part(&columns.join(","));
            }
            for key in &table.foreign_keys {
                part(&key.columns.join(","));
                part(&key.shown());
            }
            for (name, index) in &table.indexes {
                part(name);
                part(&index.shape);
            }
            for (name, trigger) in &table.triggers {
                part(name);
                part(&trigger.normal);
            }
        }
        for (name, view) in &self.views {
            part(name);
            part(&view.normal);
        }
        hash.finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Everything in which this schema differs from `wanted`.
    pub fn differences(&self, wanted: &Self) -> Vec<Finding> {
        let mut all = Vec::new();
        for (key, wanted) in &wanted.tables {
            match self.tables.get(key) {
                Some(found) => compare_tables(found, wanted, &mut all),
                None => all.push(Finding::MissingTable {
                    table: wanted.name.clone(),
                    migration: None,
                }),
            }
        }
        for (key, found) in &self.tables {
            if !wanted.tables.contains_key(key) {
                let table = found.name.clone();
                all.push(Finding::UnexpectedTable { table });
            }
        }
        for (key, wanted) in &wanted.views {
            let view = wanted.name.clone();
            match self.views.get(key) {
                None => all.push(Finding::MissingView {
                    view,
                    migration: None,
                }),
                Some(found) if found.normal != wanted.normal => {
                    all.push(Finding::ViewDiffers { view });
                }
                Some(_) => {}
            }
        }
        for (key, found) in &self.views {
            if !wanted.views.contains_key(key) {
                let view = found.name.clone();
                all.push(Finding::UnexpectedView { view });
            }
        }
        all
    }
}

fn compare_tables(found: &Table, wanted: &Table, all: &mut Vec<Finding>) {
    let table = || wanted.name.clone();
    if found.kind != wanted.kind {
        all.push(Finding::TableKind {
            table: table(),
            found: found.kind.clone(),
            wanted: wanted.kind.clone(),
        });
    }
    for (key, column) in &wanted.columns {
        match found.columns.get(key) {
            Some(other) => compare_columns(&wanted.name, other, column, all),
            None => all.push(Finding::MissingColumn {
                table: table(),
                column: column.name.clone(),
                migration: None,
            }),
        }
    }
    for (key, column) in &found.columns {
        if !wanted.columns.contains_key(key) {
            all.push(Finding::UnexpectedColumn {
                table: table(),
                column: column.name.clone(),
            });
        }
    }
    if found.primary_key != wanted.primary_key {
        all.push(Finding::PrimaryKey {
            table: table(),
            found: found.primary_key.clone(),
            wanted: wanted.primary_key.clone(),
        });
    }
    compare_constraints(found, wanted, all);
    for (key, index) in &wanted.indexes {
        let name = index.name.clone();
        match found.indexes.get(key) {
            None => all.push(Finding::MissingIndex {
                table: table(),
                index: name,
                migration: None,
            }),
            Some(other) if other.shape != index.shape => all.push(Finding::IndexDiffers {
                table: table(),
                index: name,
                found: other.shape.clone(),
                wanted: index.shape.clone(),
            }),
            Some(_) => {}
        }
    }
    for (key, index) in &found.indexes {
        if !wanted.indexes.contains_key(key) {
            all.push(Finding::UnexpectedIndex {
                table: table(),
                index: index.name.clone(),
            });
        }
    }
    for (key, trigger) in &wanted.triggers {
        let name = trigger.name.clone();
        match found.triggers.get(key) {
            None => all.push(Finding::MissingTrigger {
                table: table(),
                trigger: name,
                migration: None,
            }),
            Some(other) if other.normal != trigger.normal => {
                all.push(Finding::TriggerDiffers {
                    table: table(),
                    trigger: name,
                });
            }
            Some(_) => {}
        }
    }
    for (key, trigger) in &found.triggers {
        if !wanted.triggers.contains_key(key) {
            all.push(Finding::UnexpectedTrigger {
                table: table(),
                trigger: trigger.name.clone(),
            });
        }
    }
}

/// What belongs to a column that one of the two lacks is not told apart from the column.
fn compare_constraints(found: &Table, wanted: &Table, all: &mut Vec<Finding>) {
    let table = || wanted.name.clone();
    let in_both = |column: &str| {
        let known = |table: &Table| table.columns.contains_key(column);
        known(found) && known(wanted)
    };
    let whole = |columns: &[String]| columns.iter().all(|column| in_both(column));

    let (have, want) = (found.checks_of(in_both), wanted.checks_of(in_both));
    for (_, check) in want
        .iter()
        .filter(|(normal, _)| !have.contains_key(*normal))
    {
        all.push(Finding::MissingCheck {
            table: table(),
            check: check.text.clone(),
        });
    }
    for (_, check) in have
        .iter()
        .filter(|(normal, _)| !want.contains_key(*normal))
    {
        all.push(Finding::UnexpectedCheck {
            table: table(),
            check: check.text.clone(),
        });
    }
    for columns in wanted
        .uniques
        .difference(&found.uniques)
        .filter(|c| whole(c))
    {
        all.push(Finding::MissingUnique {
            table: table(),
            columns: columns.clone(),
        });
    }
    for columns in found
        .uniques
        .difference(&wanted.uniques)
        .filter(|c| whole(c))
    {
        all.push(Finding::UnexpectedUnique {
            table: table(),
            columns: columns.clone(),
        });
    }
    let mut extra: Vec<_> = found
        .foreign_keys
        .difference(&wanted.foreign_keys)
        .collect();
    extra.retain(|key| whole(&key.columns));
    for key in wanted.foreign_keys.difference(&found.foreign_keys) {
        if !whole(&key.columns) {
            continue;
        }
        let columns = key.columns.clone();
        match extra.iter().position(|other| other.columns == key.columns) {
            Some(at) => all.push(Finding::ForeignKeyDiffers {
                table: table(),
                columns,
                found: extra.remove(at).shown(),
                wanted: key.shown(),
            }),
            None => all.push(Finding::MissingForeignKey {
                table: table(),
                columns,
                parent: key.shown(),
            }),
        }
    }
    for key in extra {
        all.push(Finding::UnexpectedForeignKey {
            table: table(),
            columns: key.columns.clone(),
            parent: key.shown(),
        });
    }
}

fn compare_columns(table: &str, found: &Column, wanted: &Column, all: &mut Vec<Finding>) {
    let (table, column) = (|| table.to_owned(), || wanted.name.clone());
    if found.declared_type != wanted.declared_type {
        all.push(Finding::ColumnType {
            table: table(),
            column: column(),
            found: found.declared_type.clone(),
            wanted: wanted.declared_type.clone(),
        });
    }
    if found.not_null != wanted.not_null {
        all.push(Finding::Nullability {
            table: table(),
            column: column(),
            not_null: wanted.not_null,
        });
    }
    fn normal(value: &Option<(String, String)>) -> Option<&String> {
        value.as_ref().map(|(normal, _)| normal)
    }
    fn text(value: &Option<(String, String)>) -> Option<String> {
        value.as_ref().map(|(_, text)| text.clone())
    }
    if normal(&found.default) != normal(&wanted.default) {
        all.push(Finding::Default {
            table: table(),
            column: column(),
            found: text(&found.default),
            wanted: text(&wanted.default),
        });
    }
    if normal(&found.generated) != normal(&wanted.generated) {
        all.push(Finding::Generated {
            table: table(),
            column: column(),
            found: text(&found.generated),
            wanted: text(&wanted.generated),
        });
    }
    if found.collation != wanted.collation {
        all.push(Finding::Collation {
            table: table(),
            column: column(),
            found: found.collation.clone(),
            wanted: wanted.collation.clone(),
        });
    }
}
