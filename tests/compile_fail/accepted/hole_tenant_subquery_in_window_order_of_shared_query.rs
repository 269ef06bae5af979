// Diesel does not check `OVER (ORDER BY …)` against the statement around it.
use diesel::dsl::row_number;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i64>> {
    let name = patients::table.select(patients::name).single_value();
    users::table
        .select(row_number().window_order(name))
        .load(ctx)
}
