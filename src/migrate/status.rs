//! How a database's ledger and a program's migrations compare.
use std::collections::HashMap;
use std::time::Instant;

use diesel::result::QueryResult;

use crate::error::withhold;
use crate::migrate::error::MigrateError;
use crate::migrate::ledger::{LedgerRow, MigrateConnection};
use crate::migrate::set::{MigrationScript, MigrationSet};

/// What a database has, what it lacks, and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// The ledger, in the order of the versions.
    pub applied: Vec<LedgerRow>,
    /// What is not in the ledger, in the order it would be applied.
    pub pending: Vec<PendingMigration>,
    /// Whether the pending ones may be applied.
    pub verdict: Verdict,
}

/// A migration that is not applied.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct PendingMigration {
    /// The migration's version.
    pub version: String,
    /// The migration's name.
    pub name: String,
}

/// The relation between a database and a program. Where several hold, the one listed first is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The database has a migration newer than all this program knows.
    Ahead {
        /// The newest in the database.
        newest: String,
    },
    /// The script of an applied migration was edited.
    Changed {
        /// The first such migration.
        version: String,
    },
    /// An applied migration is missing from the program, though it knows newer ones.
    Unknown {
        /// The first such migration.
        version: String,
    },
    /// A pending migration is older than one that is applied.
    OutOfOrder {
        /// The first such migration.
        version: String,
        /// The newest applied one.
        newer_applied: String,
    },
    /// Migrations are pending and may be applied.
    Behind {
        /// How many.
        pending: usize,
    },
    /// Nothing to do.
    UpToDate,
}

/// Reads a database's ledger and compares it with `set`. Writes nothing, and waits for no writer.
///
/// # Errors
/// - [`MigrateError::Ledger`]: the ledger could not be read.
/// - [`MigrateError::Locked`]: nor could it for a lock.
pub fn status<C: MigrateConnection>(
    conn: &mut C,
    set: &MigrationSet,
) -> Result<MigrationStatus, MigrateError> {
    let applied = read(conn)?;
    let (verdict, pending) = compare(&applied, set);
    let pending = pending
        .into_iter()
        .map(|script| PendingMigration {
            version: script.version().to_owned(),
            name: script.name().to_owned(),
        })
        .collect();
    Ok(MigrationStatus {
        applied,
        pending,
        verdict,
    })
}

/// What [`run_pending`](crate::migrate::run_pending) would apply to a database, or why it would refuse to.
pub(crate) fn pending<'set, C: MigrateConnection>(
    conn: &mut C,
    set: &'set MigrationSet,
) -> Result<Vec<&'set MigrationScript>, MigrateError> {
    plan(&read(conn)?, set)
}

/// The greatest version in a database's ledger; `None` where no migration was ever applied.
///
/// Two short reads, meant to be asked whenever a connection is made: see [`MigrationSet::gate`].
///
/// # Errors
/// Diesel's, if the database cannot be read.
pub fn newest_applied<C: MigrateConnection>(conn: &mut C) -> QueryResult<Option<String>> {
    if conn.has_ledger()? {
        conn.newest_in_ledger()
    } else {
        Ok(None)
    }
}

/// The ledger, empty where there is none.
pub(super) fn read<C: MigrateConnection>(conn: &mut C) -> Result<Vec<LedgerRow>, MigrateError> {
    let started = Instant::now();
    let rows = match conn.has_ledger() {
        Ok(true) => conn.read_ledger(),
        Ok(false) => Ok(Vec::new()),
        Err(source) => Err(source),
    };
    rows.map_err(|source| own_statement::<C>("reading the migration ledger", started, source))
}

/// The error of a statement that is the engine's and not a script's.
pub(super) fn own_statement<C: MigrateConnection>(
    action: &'static str,
    started: Instant,
    source: diesel::result::Error,
) -> MigrateError {
    let source = withhold(source);
    if C::is_lock_timeout(&source) {
        let waited = started.elapsed();
        MigrateError::Locked { waited, source }
    } else {
        MigrateError::Ledger { action, source }
    }
}

/// The verdict, and what is pending.
pub(super) fn compare<'set>(
    applied: &[LedgerRow],
    set: &'set MigrationSet,
) -> (Verdict, Vec<&'set MigrationScript>) {
    let ledger: HashMap<_, _> = applied
        .iter()
        .map(|row| (row.version.as_str(), row))
        .collect();
    let known: HashMap<_, _> = set
        .iter()
        .map(|script| (script.version(), script))
        .collect();
    let pending: Vec<_> = set
        .iter()
        .filter(|script| !ledger.contains_key(script.version()))
        .collect();

    let newest = applied.iter().map(|row| row.version.as_str()).max();
    let changed = set.iter().find(|script| {
        ledger
            .get(script.version())
            .is_some_and(|row| row.checksum != script.checksum())
    });
    let unknown = applied
        .iter()
        .find(|row| !known.contains_key(row.version.as_str()));

    let verdict = if let Some(newest) = newest.filter(|newest| Some(*newest) > set.latest()) {
        Verdict::Ahead {
            newest: newest.to_owned(),
        }
    } else if let Some(script) = changed {
        Verdict::Changed {
            version: script.version().to_owned(),
        }
    } else if let Some(row) = unknown {
        Verdict::Unknown {
            version: row.version.clone(),
        }
    } else {
        match (pending.first(), newest) {
            (None, _) => Verdict::UpToDate,
            (Some(script), Some(newest)) if script.version() < newest => Verdict::OutOfOrder {
                version: script.version().to_owned(),
                newer_applied: newest.to_owned(),
            },
            (Some(_), _) => Verdict::Behind {
                pending: pending.len(),
            },
        }
    };
    (verdict, pending)
}

/// What may be applied, or why nothing may be.
pub(super) fn plan<'set>(
    applied: &[LedgerRow],
    set: &'set MigrationSet,
) -> Result<Vec<&'set MigrationScript>, MigrateError> {
    let (verdict, pending) = compare(applied, set);
    Err(match verdict {
        Verdict::UpToDate | Verdict::Behind { .. } => return Ok(pending),
        Verdict::Ahead { newest } => MigrateError::SchemaAhead {
            found: newest,
            newest_known: set.latest().map(str::to_owned),
        },
        Verdict::Changed { version } => MigrateError::MigrationChanged {
            name: set
                .get(&version)
                .map_or_else(String::new, |script| script.name().to_owned()),
            version,
        },
        Verdict::Unknown { version } => MigrateError::MigrationUnknown { version },
        Verdict::OutOfOrder {
            version,
            newer_applied,
        } => MigrateError::MigrationOutOfOrder {
            version,
            after: newer_applied,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(versions: &[&'static str]) -> MigrationSet {
        versions
            .iter()
            .map(|version| MigrationScript::new(*version, "x", "SELECT 1"))
            .collect()
    }

    /// A ledger in which the versions that end with `*` were applied from another text.
    fn ledger(versions: &[&str]) -> Vec<LedgerRow> {
        let row = |version: &&str| LedgerRow {
            version: version.trim_end_matches('*').to_owned(),
            name: "x".to_owned(),
            checksum: match version.ends_with('*') {
                true => vec![0; 32],
                false => set(&["1"]).iter().next().expect("one").checksum().to_vec(),
            },
            applied_at: 0,
        };
        versions.iter().map(row).collect()
    }

    fn verdict(applied: &[&str], known: &[&'static str]) -> Verdict {
        compare(&ledger(applied), &set(known)).0
    }

    #[test]
    fn every_verdict() {
        let version = |version: &str| version.to_owned();
        assert_eq!(verdict(&[], &[]), Verdict::UpToDate);
        assert_eq!(verdict(&["1"], &["1"]), Verdict::UpToDate);
        assert_eq!(verdict(&[], &["1", "2"]), Verdict::Behind { pending: 2 });
        assert_eq!(verdict(&["1"], &["1", "2"]), Verdict::Behind { pending: 1 });
        let newest = version("2");
        assert_eq!(verdict(&["1", "2"], &["1"]), Verdict::Ahead { newest });
        let newest = version("1");
        assert_eq!(verdict(&["1"], &[]), Verdict::Ahead { newest });
        let unknown = version("1");
        assert_eq!(
            verdict(&["1", "2"], &["2"]),
            Verdict::Unknown { version: unknown }
        );
        let changed = version("2");
        assert_eq!(
            verdict(&["1", "2*"], &["1", "2"]),
            Verdict::Changed { version: changed }
        );
        assert_eq!(
            verdict(&["1", "3"], &["1", "2", "3"]),
            Verdict::OutOfOrder {
                version: version("2"),
                newer_applied: version("3"),
            }
        );
    }

    #[test]
    fn the_gravest_verdict_is_reported() {
        // Ahead, changed, unknown and out of order, taken away one after the other.
        for (applied, known, word) in [
            (&["1*", "2", "4", "9"][..], &["1", "3", "4"][..], "Ahead"),
            (&["1*", "2", "4"], &["1", "3", "4"], "Changed"),
            (&["1", "2", "4"], &["1", "3", "4"], "Unknown"),
            (&["1", "4"], &["1", "3", "4"], "OutOfOrder"),
        ] {
            let verdict = format!("{:?}", verdict(applied, known));
            assert!(verdict.starts_with(word), "{verdict} instead of {word}");
        }
    }

    #[test]
    fn versions_compare_as_text() {
        let newer_applied = "9".to_owned();
        let version = "10".to_owned();
        assert_eq!(
            verdict(&["9"], &["9", "10"]),
            Verdict::OutOfOrder {
                version,
                newer_applied
            }
        );
    }
}
