// Once `ON CONFLICT` is added, a query and plain values look the same from outside Diesel.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let rows = patients::table
        .filter(patients::id.gt(7))
        .select((patients::id, patients::name));
    diesel::insert_into(hospitals::table)
        .values(rows)
        .on_conflict_do_nothing()
        .execute(ctx)
}
