use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<bool> {
    select(exists(patients::table.inner_join(wards::table))).get_result(ctx)
}
