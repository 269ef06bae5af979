//~ E0451

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<i64> {
    let mut other: ReadContext<'_, SqliteConnection> = ReadContext { session: todo!() };
    let _ = other.generation();
    patients::table.count().get_result(ctx)
}
