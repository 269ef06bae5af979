use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::update(wards::table)
        .set(wards::name.eq("Ada"))
        .execute(ctx)
}
