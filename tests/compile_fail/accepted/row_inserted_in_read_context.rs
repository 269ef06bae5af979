use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::insert_into(wards::table)
        .values(wards::name.eq("A"))
        .execute(ctx)
}
