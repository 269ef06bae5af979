//! Which operation made a generation that nobody has used yet.
//!
//! An operation that is undone removes the database it made. Its name and its stamp do not tell that database from one
//! that is in use: a catalogue that was put back to an earlier day believes in operations that have ended, and hands
//! their numbers out again. So a database carries the id of the operation that made it from before it has its name until
//! the first connection is made that could write to it. What carries that id can hold no row of anybody's; what does not
//! is not removed.
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use uuid::Uuid;

diesel::table! {
    #[sql_name = "__tenants_made_by"]
    made_by (operation) {
        operation -> Binary,
    }
}

const FORGET: &str = "DROP TABLE IF EXISTS __tenants_made_by";

/// Signs a staging database, in place of whoever signed the one it is a copy of.
pub(super) fn sign(conn: &mut SqliteConnection, operation: Uuid) -> QueryResult<()> {
    conn.immediate_transaction(|conn| {
        conn.batch_execute(FORGET)?;
        conn.batch_execute(
            "CREATE TABLE __tenants_made_by (
                 operation BLOB PRIMARY KEY NOT NULL CHECK (length(operation) = 16))",
        )?;
        diesel::insert_into(made_by::table)
            .values(made_by::operation.eq(operation.as_bytes().as_slice()))
            .execute(conn)
            .map(drop)
    })
}

/// Whether `operation` made this database and nobody has used it.
pub(super) fn is_unused(conn: &mut SqliteConnection, operation: Uuid) -> QueryResult<bool> {
    if !is_signed(conn)? {
        return Ok(false);
    }
    let maker = made_by::table.select(made_by::operation);
    let maker = maker.get_result::<Vec<u8>>(conn).optional()?;
    Ok(maker.is_some_and(|maker| maker == operation.as_bytes()))
}

/// Says that the database is in use: durable before anybody writes a row to it.
pub(super) fn forget(conn: &mut SqliteConnection) -> QueryResult<()> {
    if !is_signed(conn)? {
        return Ok(());
    }
    match conn.immediate_transaction(|conn| conn.batch_execute(FORGET)) {
        // Nobody can write to it, then.
        Err(error) if super::message(&error).is_some_and(|m| m.contains("readonly")) => Ok(()),
        done => done,
    }
}

fn is_signed(conn: &mut SqliteConnection) -> QueryResult<bool> {
    use diesel::dsl::sql;
    use diesel::sql_types::Bool;

    let stands = "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '__tenants_made_by')";
    diesel::select(sql::<Bool>(stands)).get_result(conn)
}
