// Diesel does not check a boxed subquery against the statement around it.
use diesel::dsl::count_star;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i64>> {
    let name = patients::table
        .select(patients::name)
        .into_boxed()
        .single_value();
    users::table.group_by(name).select(count_star()).load(ctx)
}
