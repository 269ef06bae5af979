use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, Option<String>)>> {
    patients::table
        .select((
            patients::id,
            wards::table.select(wards::name).single_value(),
        ))
        .load(ctx)
}
