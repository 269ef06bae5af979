//! A short name for what a ledger says, so that it can be compared without opening its database.
//!
//! Two ledgers have the same digest if they have the same versions with the same checksums. The catalogue keeps the
//! digest of every tenant's ledger; a set of migrations computes the one it would have written. Where both agree, the
//! tenant has exactly the migrations of this program up to its version: none edited, none missing, none added between.
use sha2::{Digest as _, Sha256};

use crate::migrate::ledger::{LedgerRow, MigrateConnection};
use crate::migrate::set::MigrationSet;

/// The digest of the ledger that `set` leaves behind once everything up to `newest` is applied.
pub(crate) fn of_set(set: &MigrationSet, newest: Option<&str>) -> String {
    let applied = set.iter().filter(|script| Some(script.version()) <= newest);
    of(applied.map(|script| (script.version(), &script.checksum()[..])))
}

/// The digest of a database's ledger, and the newest version in it.
pub(crate) fn read<C: MigrateConnection>(
    conn: &mut C,
) -> diesel::QueryResult<(String, Option<String>)> {
    let rows = match conn.has_ledger()? {
        true => conn.read_ledger()?,
        false => Vec::new(),
    };
    let newest = rows.iter().map(|row| row.version.clone()).max();
    Ok((of_rows(&rows), newest))
}

/// The digest of a ledger. Its rows are in the order of their versions.
pub(crate) fn of_rows(rows: &[LedgerRow]) -> String {
    of(rows
        .iter()
        .map(|row| (row.version.as_str(), &row.checksum[..])))
}

fn of<'a>(rows: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (version, checksum) in rows {
        for part in [version.as_bytes(), checksum] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use diesel::prelude::*;

    use super::*;
    use crate::migrate::{MigrateOptions, MigrationScript, run_pending};

    fn set(scripts: &[(&'static str, &'static str)]) -> MigrationSet {
        let script = |(version, sql): &(&'static str, &'static str)| {
            MigrationScript::new(*version, "x", *sql)
        };
        scripts.iter().map(script).collect()
    }

    #[test]
    fn a_ledger_agrees_with_the_set_that_wrote_it_and_with_no_other() {
        let all = set(&[("1", "SELECT 1"), ("2", "SELECT 2"), ("3", "SELECT 3")]);
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        assert_eq!(read(&mut conn).unwrap(), (of_set(&all, None), None));
        for count in 1..=3 {
            run_pending(&mut conn, &all, MigrateOptions::at_most(1)).unwrap();
            let newest = Some(count.to_string());
            let expected = (of_set(&all, newest.as_deref()), newest);
            assert_eq!(read(&mut conn).unwrap(), expected);
        }
        let (digest, newest) = read(&mut conn).unwrap();
        for other in [
            set(&[("1", "SELECT 1"), ("2", "SELECT 0"), ("3", "SELECT 3")]),
            set(&[("1", "SELECT 1"), ("3", "SELECT 3")]),
            set(&[
                ("1", "SELECT 1"),
                ("1.1", "x"),
                ("2", "SELECT 2"),
                ("3", "SELECT 3"),
            ]),
        ] {
            assert_ne!(of_set(&other, newest.as_deref()), digest, "{other:?}");
        }
    }
}
