// Diesel does not check `OVER (PARTITION BY …)` against the statement around it.
use diesel::dsl::count;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i64>> {
    let name = patients::table.select(patients::name).single_value();
    users::table
        .select(count(users::id).partition_by(name))
        .load(ctx)
}
