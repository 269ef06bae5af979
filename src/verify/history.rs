//! What the schema should be: the one each migration leaves behind, and what a ledger says of a real one.
use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, MigrationRef};
use super::schema::Schema;
use crate::migrate::{LedgerRow, MigrationSet};

/// The schema after each migration of a set.
#[doc(hidden)]
#[derive(Debug, Clone, Default)]
pub struct History {
    pub steps: Vec<Step>,
}

/// What one migration leaves behind.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub struct Step {
    pub version: String,
    pub name: String,
    pub schema: Schema,
}

/// Something a migration makes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Table(String),
    Column(String, String),
    Index(String, String),
    Trigger(String, String),
    View(String),
}

fn things(schema: &Schema) -> BTreeSet<Thing> {
    let mut all = BTreeSet::new();
    for (name, table) in &schema.tables {
        all.insert(Thing::Table(name.clone()));
        let of = |part: &String| (name.clone(), part.clone());
        all.extend(
            table
                .columns
                .keys()
                .map(of)
                .map(|(t, c)| Thing::Column(t, c)),
        );
        all.extend(
            table
                .indexes
                .keys()
                .map(of)
                .map(|(t, i)| Thing::Index(t, i)),
        );
        all.extend(
            table
                .triggers
                .keys()
                .map(of)
                .map(|(t, n)| Thing::Trigger(t, n)),
        );
    }
    all.extend(schema.views.keys().cloned().map(Thing::View));
    all
}

/// The thing that a finding says is missing.
fn thing(finding: &Finding) -> Option<Thing> {
    let lower = |name: &str| name.to_ascii_lowercase();
    Some(match finding {
        Finding::MissingTable { table, .. } => Thing::Table(lower(table)),
        Finding::MissingColumn { table, column, .. } => Thing::Column(lower(table), lower(column)),
        Finding::MissingIndex { table, index, .. } => Thing::Index(lower(table), lower(index)),
        Finding::MissingTrigger { table, trigger, .. } => {
            Thing::Trigger(lower(table), lower(trigger))
        }
        Finding::MissingView { view, .. } => Thing::View(lower(view)),
        _ => return None,
    })
}

/// What a real schema and its ledger are, measured by a history.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judgement {
    pub(crate) findings: Vec<Finding>,
    /// The step whose schema the database should have; `None` before the first.
    pub(crate) step: Option<usize>,
    /// Newer migrations than this program's were applied.
    pub(crate) ahead: bool,
}

impl History {
    /// The schema after a step.
    pub(crate) fn schema_at(&self, step: Option<usize>) -> Schema {
        step.map(|at| self.steps[at].schema.clone())
            .unwrap_or_default()
    }

    /// Compares a database with this history.
    pub(crate) fn judge(
        &self,
        found: &Schema,
        ledger: &[LedgerRow],
        set: &MigrationSet,
    ) -> Judgement {
        let mut findings = Vec::new();
        let recorded: BTreeMap<&str, &LedgerRow> = ledger
            .iter()
            .map(|row| (row.version.as_str(), row))
            .collect();
        let newest = ledger.iter().map(|row| row.version.as_str()).max();
        let ahead = newest.is_some() && newest > set.latest();
        for row in ledger {
            let (version, name) = (row.version.clone(), row.name.clone());
            match set.get(&row.version) {
                None => findings.push(Finding::MigrationUnknown { version, name }),
                Some(script) if script.checksum()[..] != row.checksum[..] => {
                    findings.push(Finding::MigrationEdited { version, name });
                }
                Some(_) => {}
            }
        }
        if let (true, Some(newest)) = (ahead, newest) {
            let newest = newest.to_owned();
            findings.retain(|finding| !matches!(finding, Finding::MigrationUnknown { .. }));
            findings.push(Finding::Ahead { newest });
            return Judgement {
                findings,
                step: None,
                ahead,
            };
        }

        let here = things(found);
        let all: Vec<BTreeSet<Thing>> =
            self.steps.iter().map(|step| things(&step.schema)).collect();
        let none = BTreeSet::new();
        // What a step makes, and what of it is still there at a later step.
        let made = |at: usize, until: usize| -> BTreeSet<&Thing> {
            let before = if at == 0 { &none } else { &all[at - 1] };
            all[at]
                .difference(before)
                .filter(|thing| all[until].contains(thing))
                .collect()
        };
        let last = self.steps.len().saturating_sub(1);
        let mut step = None;
        let mut pending = Vec::new();
        for (at, candidate) in self.steps.iter().enumerate() {
            if recorded.contains_key(candidate.version.as_str()) {
                step = Some(at);
                continue;
            }
            let made = made(at, last);
            match !made.is_empty() && made.iter().all(|thing| here.contains(thing)) {
                true => {
                    findings.push(Finding::MigrationNotRecorded {
                        version: candidate.version.clone(),
                        name: candidate.name.clone(),
                    });
                    step = Some(at);
                }
                false => pending.push(at),
            }
        }
        let reached = |at: &&usize| Some(**at) < step;
        for at in pending.iter().filter(reached) {
            findings.push(Finding::MigrationOutOfOrder {
                version: self.steps[*at].version.clone(),
                name: self.steps[*at].name.clone(),
                newer: step
                    .map(|at| self.steps[at].version.clone())
                    .unwrap_or_default(),
            });
        }
        let behind: Vec<_> = pending.iter().filter(|at| !reached(at)).collect();
        if let Some(first) = behind.first() {
            findings.push(Finding::Behind {
                pending: behind.len(),
                next: self.steps[**first].version.clone(),
            });
        }

        if let Some(until) = step {
            for (at, candidate) in self.steps.iter().enumerate().take(until + 1) {
                let made = made(at, until);
                let missing = made.iter().filter(|thing| !here.contains(thing)).count();
                if recorded.contains_key(candidate.version.as_str())
                    && missing > 0
                    && missing == made.len()
                {
                    findings.push(Finding::MigrationWithoutEffect {
                        version: candidate.version.clone(),
                        name: candidate.name.clone(),
                        missing,
                        made: made.len(),
                    });
                }
            }
        }
        let empty = Schema::default();
        let wanted = step.map_or(&empty, |at| &self.steps[at].schema);
        let mut differences = found.differences(wanted);
        for finding in &mut differences {
            let (Some(thing), Some(until)) = (thing(finding), step) else {
                continue;
            };
            // The last step that brought it: before it, the thing was not there.
            let by = (0..=until)
                .rev()
                .find(|at| *at == 0 || !all[at - 1].contains(&thing));
            let Some(by) = by.map(|at| &self.steps[at]) else {
                continue;
            };
            finding.set_migration(MigrationRef {
                version: by.version.clone(),
                name: by.name.clone(),
                recorded: recorded.contains_key(by.version.as_str()),
            });
        }
        findings.extend(differences);
        Judgement {
            findings,
            step,
            ahead,
        }
    }
}
