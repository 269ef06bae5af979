// Diesel does not check a boxed subquery against the statement around it.
use diesel::dsl::count_star;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i64>> {
    let name = users::table.select(users::name).into_boxed().single_value();
    patients::table
        .group_by(name)
        .select(count_star())
        .load(ctx)
}
