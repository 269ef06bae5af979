use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<bool> {
    select(exists(
        patients::table.find(7).filter(exists(wards::table.find(7))),
    ))
    .get_result(ctx)
}
