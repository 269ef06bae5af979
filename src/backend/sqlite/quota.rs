//! How much a tenant's database may hold: `PRAGMA max_page_count`, which each connection is given when it is opened.
//!
//! SQLite never sets it below what the database has already, so lowering a quota takes nothing away: what is there can
//! be read, changed and deleted, and only growing is refused. The WAL comes on top; it is as long as what is written
//! between two checkpoints.
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;

use crate::backend::DatabasePages;

/// Pages of the database, free pages among them, and the bytes of one.
pub(super) fn pages(conn: &mut SqliteConnection) -> QueryResult<DatabasePages> {
    let size = pragma(conn, "page_size")?;
    Ok(DatabasePages {
        bytes: pragma(conn, "page_count")? * size,
        free: pragma(conn, "freelist_count")? * size,
    })
}

/// Bounds what the database may grow to through this connection, rounded up to whole pages.
pub(super) fn limit(conn: &mut SqliteConnection, bytes: u64) -> QueryResult<()> {
    let pages = bytes.div_ceil(pragma(conn, "page_size")?.max(1));
    // Numbers above this one mean no change to SQLite. Source: <https://sqlite.org/limits.html>.
    let pages = pages.clamp(1, MOST_PAGES);
    conn.batch_execute(&format!("PRAGMA max_page_count = {pages}"))
}

const MOST_PAGES: u64 = 4_294_967_294;

/// Whether the file system below `root` has room left. SQLite says the same of a full disk and of a full quota, and
/// after either it may have ended the transaction, so that its numbers are those of before.
pub(super) fn disk_has_room(root: &Path) -> bool {
    // Where it cannot be asked, nothing speaks for a full disk.
    rustix::fs::statvfs(root).map_or(true, |disk| {
        let is_root = rustix::process::geteuid().is_root();
        let blocks = if is_root { disk.f_bfree } else { disk.f_bavail };
        has_room(blocks.saturating_mul(disk.f_frsize))
    })
}

/// The largest page with its WAL frame, twice, so that a few bytes left over do not count as room.
fn has_room(bytes: u64) -> bool {
    bytes > 2 * (65_536 + 24)
}

fn pragma(conn: &mut SqliteConnection, name: &'static str) -> QueryResult<u64> {
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        value: i64,
    }
    let query = format!("SELECT {name} AS value FROM pragma_{name}");
    let number = diesel::sql_query(query).get_result::<Number>(conn)?;
    Ok(u64::try_from(number.value).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_a_few_bytes_left_is_full() {
        assert!(!has_room(0));
        assert!(!has_room(100_000));
        assert!(has_room(1 << 20));
    }

    #[test]
    fn a_limit_is_whole_pages_and_never_less_than_there_is() {
        let mut conn = SqliteConnection::establish(":memory:").unwrap();
        conn.batch_execute("CREATE TABLE t (x); CREATE TABLE u (x);")
            .unwrap();
        let max = |conn: &mut _| pragma(conn, "max_page_count").unwrap();
        limit(&mut conn, 4096 * 10 + 1).unwrap();
        assert_eq!(max(&mut conn), 11);
        limit(&mut conn, 1).unwrap();
        assert_eq!(max(&mut conn), 3, "what is there is never too much");
        limit(&mut conn, u64::MAX).unwrap();
        assert_eq!(max(&mut conn), MOST_PAGES);
        assert_eq!(pages(&mut conn).unwrap().bytes, 3 * 4096);
    }
}
