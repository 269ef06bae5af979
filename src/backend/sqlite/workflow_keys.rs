//! The table in a tenant's database that says which steps of workflows were done there.
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::Bool;

use super::fence;
use super::identity::Identity;

const CREATE: &str = include_str!("../../../migrations/sqlite/catalog/workflow_steps.sql");

pub(crate) fn exist(conn: &mut SqliteConnection) -> QueryResult<bool> {
    diesel::select(diesel::dsl::sql::<Bool>(
        "EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '__tenants_workflow_steps')",
    ))
    .get_result(conn)
}

/// Makes the table where it is not there yet, in the transaction that is open. Most tenants never need it.
///
/// The fence is triggers on the tables that were there when it was raised. On a table made after that there is none, so
/// a connection that is older than the fence would write into it.
pub(crate) fn prepare(conn: &mut SqliteConnection) -> QueryResult<()> {
    if exist(conn)? {
        return Ok(());
    }
    if Identity::read(conn)?.is_some_and(|identity| identity.fenced) {
        let raised = Box::new(fence::RAISED.to_owned());
        return Err(Error::DatabaseError(DatabaseErrorKind::Unknown, raised));
    }
    conn.batch_execute(CREATE)
}
