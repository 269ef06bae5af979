//! The fence in a tenant's own database: once it stands, no connection of any process can write any more.
//!
//! A warm connection of another process knows nothing of the catalogue and would go on committing into a database
//! that has been copied already. So the fence is put where such a connection must see it: triggers on every table
//! that refuse each row, and a mark in the identity row that refuses new connections. It takes the write lock, so
//! what was under way is committed before it stands; SQLite makes the other connections notice the new triggers
//! before their next statement.
//!
//! What it does not stop is DDL through [`unrouted`](crate::TenantContext::unrouted) on a connection that was opened
//! before, and virtual tables, which cannot have triggers.
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};

use super::identity;
use crate::backend::{Backend, Symptom};
use crate::deadline;

/// What the triggers raise; [`symptom`](crate::backend::Backend::symptom) knows it by this text.
pub(super) const RAISED: &str = "__tenants: this database is fenced";

const PREFIX: &str = "__tenants_fence_";

/// Puts the fence up, waiting for the write lock up to `wait`. Nothing to do where it stands.
///
/// SQLite's lock is not fair, and its busy handler soon looks every 100 ms only: a writer that goes from one
/// transaction straight into the next is then met at work nearly every time, for as long as it likes. So this one
/// looks more often than such a writer commits.
pub(super) fn raise(conn: &mut SqliteConnection, wait: Duration) -> QueryResult<()> {
    conn.batch_execute("PRAGMA busy_timeout = 0")?;
    let until = deadline::after(wait);
    loop {
        match try_raise(conn) {
            Err(e)
                if super::message(&e).is_some_and(|m| m.contains("is locked"))
                    && Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_micros(50));
            }
            Err(e) if SqliteConnection::symptom(&e) == Some(Symptom::Damaged) => {
                // There is no room for triggers in what is damaged. The mark needs none, and refuses new connections.
                let _ = conn.immediate_transaction(|conn| identity::set_fenced(conn, true));
                return Err(e);
            }
            done => return done,
        }
    }
}

fn try_raise(conn: &mut SqliteConnection) -> QueryResult<()> {
    conn.immediate_transaction(|conn| {
        lower_triggers(conn)?;
        let tables = names(
            conn,
            // Virtual tables cannot have triggers and their shadow tables cannot be written.
            "type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> '__tenants_identity'
             AND sql NOT LIKE 'CREATE VIRTUAL TABLE%'
             AND name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')",
        )?;
        let mut ddl = String::new();
        for (number, table) in tables.iter().enumerate() {
            let table = quote(table);
            for event in ["INSERT", "UPDATE", "DELETE"] {
                ddl.push_str(&format!(
                    "CREATE TRIGGER {PREFIX}{number}_{event} BEFORE {event} ON {table} \
                     BEGIN SELECT RAISE(ABORT, '{RAISED}'); END;\n"
                ));
            }
        }
        conn.batch_execute(&ddl)?;
        identity::set_fenced(conn, true)
    })
}

/// Takes the fence down. Nothing to do where there is none.
pub(super) fn lower(conn: &mut SqliteConnection) -> QueryResult<()> {
    conn.immediate_transaction(|conn| {
        lower_triggers(conn)?;
        identity::set_fenced(conn, false)
    })
}

fn lower_triggers(conn: &mut SqliteConnection) -> QueryResult<()> {
    let triggers = names(
        conn,
        "type = 'trigger' AND name LIKE '\\_\\_tenants\\_fence\\_%' ESCAPE '\\'",
    )?;
    let ddl: String = triggers
        .iter()
        .map(|name| format!("DROP TRIGGER {};\n", quote(name)))
        .collect();
    conn.batch_execute(&ddl)
}

/// Waits until no statement of any process runs on the database: a checkpoint that empties the WAL needs that.
/// False if it did not come about within `wait`.
pub(super) fn drain(conn: &mut SqliteConnection, wait: Duration) -> QueryResult<bool> {
    let until = deadline::after(wait);
    let mut pause = Duration::from_millis(1);
    loop {
        // The first column of the pragma's row is 1 while a reader or writer stands in the way.
        let busy =
            diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)").get_result::<Checkpoint>(conn)?;
        if busy.busy == 0 {
            return Ok(true);
        }
        if Instant::now() + pause >= until {
            return Ok(false);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

fn names(conn: &mut SqliteConnection, condition: &str) -> QueryResult<Vec<String>> {
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = Text)]
        name: String,
    }
    let query = format!("SELECT name FROM sqlite_schema WHERE {condition} ORDER BY name");
    let names = diesel::sql_query(query).load::<Name>(conn)?;
    Ok(names.into_iter().map(|row| row.name).collect())
}

fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
