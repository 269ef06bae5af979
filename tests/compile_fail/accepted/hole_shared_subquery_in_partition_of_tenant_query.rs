// Diesel does not check `OVER (PARTITION BY …)` against the statement around it.
use diesel::dsl::count;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i64>> {
    let name = users::table.select(users::name).single_value();
    patients::table
        .select(count(patients::id).partition_by(name))
        .load(ctx)
}
