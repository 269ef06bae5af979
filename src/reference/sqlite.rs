//! The ledger's statements on SQLite.
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::Bool;

use super::ledger::{LedgerEntry, ReferenceLedger, ledger};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS __tenants_reference (
    name       TEXT    NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL CHECK (version >= 1),
    digest     BLOB    NOT NULL CHECK (length(digest) = 32),
    applied_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID";

fn has_ledger(conn: &mut SqliteConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::sql::<Bool>(
        "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '__tenants_reference')",
    ))
    .get_result(conn)
}

impl ReferenceLedger for SqliteConnection {
    fn read_reference(&mut self, name: &str) -> QueryResult<Option<LedgerEntry>> {
        if !has_ledger(self)? {
            return Ok(None);
        }
        let row = ledger::table
            .find(name)
            .select((ledger::version, ledger::digest, ledger::applied_at))
            .get_result::<(i64, Vec<u8>, i64)>(self)
            .optional()?;
        row.map(|(version, digest, applied_at)| {
            let version = u64::try_from(version);
            Ok(LedgerEntry {
                version: version.map_err(|e| Error::DeserializationError(Box::new(e)))?,
                digest,
                applied_at,
            })
        })
        .transpose()
    }

    fn write_reference(&mut self, name: &str, entry: &LedgerEntry) -> QueryResult<()> {
        if !has_ledger(self)? {
            self.batch_execute(CREATE)?;
        }
        let values = (
            ledger::version.eq(entry.version as i64),
            ledger::digest.eq(&entry.digest),
            ledger::applied_at.eq(entry.applied_at),
        );
        diesel::insert_into(ledger::table)
            .values((ledger::name.eq(name), values))
            .on_conflict(ledger::name)
            .do_update()
            .set(values)
            .execute(self)
            .map(drop)
    }
}
