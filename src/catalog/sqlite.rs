//! The catalogue's statements, on SQLite.
use diesel::prelude::*;

pub(super) use diesel::SqliteConnection as Conn;

use super::FORMAT;
use crate::backend::sqlite::workflow_keys;

#[path = "audit_queries.rs"]
mod audit_queries;
#[path = "backups_queries.rs"]
mod backups_queries;
#[path = "given_up_queries.rs"]
mod given_up_queries;
#[path = "health_queries.rs"]
mod health_queries;
#[path = "queries.rs"]
mod queries;
#[path = "reconcile_queries.rs"]
mod reconcile_queries;
#[path = "reference_queries.rs"]
mod reference_queries;
#[path = "reservation_queries.rs"]
mod reservations;
#[path = "retention_queries.rs"]
mod retention_queries;
#[path = "run_queries.rs"]
mod run_queries;
#[path = "run_rows.rs"]
mod run_rows;
#[path = "workflows_queries.rs"]
mod workflows_queries;

/// What makes the catalogue, one step for each format. What is written here is never edited afterwards.
const STEPS: [&str; FORMAT as usize] = [
    include_str!("../../migrations/sqlite/catalog/0001_catalog/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0002_generations/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0003_health/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0004_backups/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0005_retention/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0006_runs/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0007_reference/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0008_workflows/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0009_audit/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0010_audit_guard/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0011_operators/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0012_workflow_keys/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0013_audit_ends/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0014_copies/up.sql"),
    include_str!("../../migrations/sqlite/catalog/0015_marks/up.sql"),
];

/// Whether the values of a row of the audit log have the types that their columns say. SQLite takes others, which read the same
/// and are not found.
const AUDIT_AS_DECLARED: &str = "(typeof(at) = 'integer' AND typeof(actor) = 'text' AND typeof(actor_kind) = 'text' \
    AND typeof(role) IN ('text', 'null') AND typeof(action) = 'text' AND typeof(tenant_uuid) IN ('blob', 'null') \
    AND typeof(tenant_id) IN ('text', 'null') AND typeof(generation) IN ('integer', 'null') \
    AND typeof(subject) IN ('blob', 'null') AND typeof(reason) IN ('text', 'null') AND typeof(detail) = 'text' \
    AND typeof(prev_hash) = 'blob' AND typeof(hash) = 'blob')";

fn write<T>(conn: &mut Conn, f: impl FnOnce(&mut Conn) -> QueryResult<T>) -> QueryResult<T> {
    conn.immediate_transaction(f)
}

fn has_catalog(conn: &mut Conn) -> QueryResult<bool> {
    use diesel::dsl::sql;
    use diesel::sql_types::BigInt;

    let tables =
        sql::<BigInt>("(SELECT count(*) FROM sqlite_schema WHERE name = '__tenants_catalog')");
    Ok(diesel::select(tables).get_result::<i64>(conn)? == 1)
}
