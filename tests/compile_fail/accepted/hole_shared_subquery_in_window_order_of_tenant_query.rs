// Diesel does not check `OVER (ORDER BY …)` against the statement around it.
use diesel::dsl::row_number;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i64>> {
    let name = users::table.select(users::name).single_value();
    patients::table
        .select(row_number().window_order(name))
        .load(ctx)
}
