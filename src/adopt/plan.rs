//! Their tables and ours, brought together by a mapping: what is read, and what is made of it.
use super::convert::{Conversion, KeySpace, Misfit, convert, text};
use super::inspection::{Reason, TableFit};
use super::mapping::{ColumnRule, Mapping, TableRule};
use crate::backend::transfer::{ColumnShape, TableShape};
use crate::value::Value;

/// One table of theirs on its way into one of ours.
pub(crate) struct TablePlan<'a> {
    pub(crate) from: &'a TableShape,
    pub(crate) to: &'a TableShape,
    pub(crate) columns: Vec<ColumnPlan<'a>>,
    /// Their columns, and the texts that leave a row behind.
    skip: Vec<(usize, Vec<String>)>,
    skip_null: Vec<usize>,
}

pub(crate) struct ColumnPlan<'a> {
    pub(crate) to: &'a ColumnShape,
    from: Vec<usize>,
    pub(crate) rule: ColumnRule,
    keys: KeySpace,
    empty_is_null: bool,
}

/// What a mapping makes of two schemas.
pub(crate) struct Plan<'a> {
    pub(crate) tables: Vec<TablePlan<'a>>,
    pub(crate) absent: Vec<String>,
    pub(crate) reasons: Vec<Reason>,
}

fn named<'a>(tables: &'a [TableShape], name: &str) -> Option<&'a TableShape> {
    tables
        .iter()
        .find(|table| table.name.eq_ignore_ascii_case(name))
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<String> {
    let alike = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = alike.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(alike, _)| *alike > 0.7)
        .map(|(_, known)| known.clone())
}

/// Brings them together. `tenant` is what keys are derived for.
pub(crate) fn plan<'a>(
    theirs: &'a [TableShape],
    ours: &'a [TableShape],
    mapping: &Mapping,
    tenant: &str,
) -> Plan<'a> {
    let mut plan = Plan {
        tables: Vec::new(),
        absent: Vec::new(),
        reasons: Vec::new(),
    };
    for table in &mapping.require {
        if named(theirs, table).is_none() {
            plan.reasons.push(Reason::Required {
                table: table.clone(),
            });
        }
    }
    let is_named = |table: &TableShape| {
        let mut rules = mapping.rules.iter();
        rules.any(|rule| rule.from.eq_ignore_ascii_case(&table.name))
    };
    let unnamed = theirs.iter().filter(|table| {
        !is_named(table) && !mapping.ignores(&table.name) && named(ours, &table.name).is_some()
    });
    let same: Vec<TableRule> = unnamed
        .map(|table| TableRule::same_name(&table.name))
        .collect();
    for rule in mapping.rules.iter().chain(&same) {
        let Some(from) = named(theirs, &rule.from) else {
            plan.absent.push(rule.from.clone());
            continue;
        };
        let Some(to) = named(ours, &rule.to) else {
            plan.reasons.push(Reason::UnknownTable {
                table: rule.to.clone(),
                nearest: nearest(&rule.to, ours.iter().map(|table| &table.name)),
            });
            continue;
        };
        let table = table_plan(from, to, rule, mapping, tenant, &mut plan.reasons);
        plan.tables.push(table);
    }
    if plan.tables.is_empty() && plan.reasons.is_empty() {
        plan.reasons.push(Reason::Nothing);
    }
    // References are not looked at before everything is loaded, so any order will do; this one is reported.
    let place = |name: &str| ours.iter().position(|table| table.name == name);
    plan.tables.sort_by_key(|table| place(&table.to.name));
    plan
}

fn table_plan<'a>(
    from: &'a TableShape,
    to: &'a TableShape,
    rule: &TableRule,
    mapping: &Mapping,
    tenant: &str,
    reasons: &mut Vec<Reason>,
) -> TablePlan<'a> {
    let source = |column: &str, reasons: &mut Vec<Reason>| {
        let found = from.column(column).map(|(index, _)| index);
        if found.is_none() {
            reasons.push(Reason::UnknownSource {
                table: from.name.clone(),
                column: column.to_owned(),
                nearest: nearest(column, from.columns.iter().map(|column| &column.name)),
            });
        }
        found
    };
    let mut columns = Vec::new();
    for column in &to.columns {
        let mut rules = rule.columns.iter();
        let rule = rules.find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
        let rule = match rule {
            Some((_, rule)) => rule.clone(),
            None if from.column(&column.name).is_some() => ColumnRule::plain(&column.name),
            None => {
                if !column.nullable && !column.has_default {
                    reasons.push(Reason::Unfilled {
                        table: to.name.clone(),
                        column: column.name.clone(),
                    });
                }
                continue;
            }
        };
        let indices = rule
            .from
            .iter()
            .filter_map(|name| source(name, reasons))
            .collect();
        columns.push(ColumnPlan {
            to: column,
            from: indices,
            keys: KeySpace {
                tenant: (!rule.shared).then(|| tenant.to_owned()),
                table: rule.of.clone().unwrap_or_else(|| from.name.clone()),
            },
            empty_is_null: rule
                .empty_is_null
                .unwrap_or(mapping.empty_is_null && column.nullable),
            rule,
        });
    }
    for column in rule.columns.keys() {
        if to.column(column).is_none() {
            reasons.push(Reason::UnknownColumn {
                table: to.name.clone(),
                column: column.clone(),
                nearest: nearest(column, to.columns.iter().map(|column| &column.name)),
            });
        }
    }
    let skip = rule
        .skip
        .iter()
        .filter_map(|(column, texts)| source(column, reasons).map(|index| (index, texts.clone())));
    let skip = skip.collect();
    let skip_null = rule
        .skip_null
        .iter()
        .filter_map(|column| source(column, reasons))
        .collect();
    TablePlan {
        from,
        to,
        columns,
        skip,
        skip_null,
    }
}

impl TablePlan<'_> {
    /// What can be said before a row is read.
    pub(crate) fn fit(&self) -> TableFit {
        let filled = |name: &str| self.columns.iter().any(|column| column.to.name == name);
        let used = |index: usize| {
            self.columns
                .iter()
                .any(|column| column.from.contains(&index))
        };
        let unfilled = self
            .to
            .columns
            .iter()
            .filter(|column| !filled(&column.name));
        let converted = self.columns.iter().filter(|column| column.converts());
        let left_over = self
            .from
            .columns
            .iter()
            .enumerate()
            .filter(|(index, _)| !used(*index));
        TableFit {
            from: self.from.name.clone(),
            to: self.to.name.clone(),
            rows: 0,
            skipped: 0,
            taken: 0,
            unfilled: unfilled.map(|column| column.name.clone()).collect(),
            converted: converted.map(|column| column.to.name.clone()).collect(),
            left_over: left_over.map(|(_, column)| column.name.clone()).collect(),
            too_long: Vec::new(),
            unresolved: Vec::new(),
            cleared: Vec::new(),
        }
    }

    pub(crate) fn skips(&self, row: &[Value]) -> bool {
        let is_listed = |(index, texts): &(usize, Vec<String>)| {
            let found = text(row[*index].clone());
            found.is_ok_and(|found| texts.contains(&found))
        };
        self.skip.iter().any(is_listed)
            || self
                .skip_null
                .iter()
                .any(|index| row[*index] == Value::Null)
    }
}

impl ColumnPlan<'_> {
    fn converts(&self) -> bool {
        self.rule.conversion != Conversion::Plain || self.rule.words.is_some()
    }

    /// The value of our column for a row of theirs.
    pub(crate) fn make(&self, row: &[Value]) -> Result<Value, Misfit> {
        let made = self.made(row)?;
        match &made {
            Value::Null if self.to.nullable => Ok(made),
            Value::Null => Err(Misfit::Null),
            // SQLite would take it, and our program could not read it.
            value if !self.to.class.admits(value) => Err(Misfit::NeedsConversion),
            _ => Ok(made),
        }
    }

    fn made(&self, row: &[Value]) -> Result<Value, Misfit> {
        if let Some(constant) = &self.rule.constant {
            return Ok(constant.clone());
        }
        let found = match self.from.as_slice() {
            [] => Value::Null,
            [index] => row[*index].clone(),
            several => {
                let is_empty = |value: &Value| match value {
                    Value::Null => true,
                    Value::Text(text) => text.is_empty(),
                    _ => false,
                };
                let mut values = several
                    .iter()
                    .map(|index| &row[*index])
                    .filter(|value| !is_empty(value));
                match &self.rule.join {
                    None => values.next().cloned().unwrap_or(Value::Null),
                    Some(join) => {
                        let texts = values
                            .map(|value| text(value.clone()))
                            .collect::<Result<Vec<_>, _>>()?;
                        Value::Text(texts.join(join))
                    }
                }
            }
        };
        let is_empty = matches!(&found, Value::Text(text) if text.is_empty());
        let found = match found {
            Value::Null => None,
            // Nothing but texts can be empty, so this one is as good as NULL.
            _ if is_empty && (self.empty_is_null || self.from.len() > 1 && self.to.nullable) => {
                None
            }
            found => Some(found),
        };
        let Some(found) = found else {
            return Ok(self.rule.default.clone().unwrap_or(Value::Null));
        };
        match &self.rule.words {
            Some(words) => {
                let known = words.get(&text(found)?);
                known
                    .or(self.rule.other.as_ref())
                    .cloned()
                    .ok_or(Misfit::UnknownWord)
            }
            None => convert(found, self.rule.conversion, &self.keys),
        }
    }
}
