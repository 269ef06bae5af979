//~ E0614

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: ReadContext<'_>) -> QueryResult<i64> {
    let mut conn: SqliteConnection = *ctx;
    diesel::RunQueryDsl::get_result(patients::table.count(), &mut conn)
}
