// Once `ON CONFLICT` is added, a query and plain values look the same from outside Diesel.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let rows = users::table
        .filter(users::id.gt(7))
        .select((users::id, users::name));
    diesel::insert_into(wards::table)
        .values(rows)
        .on_conflict_do_nothing()
        .execute(ctx)
}
