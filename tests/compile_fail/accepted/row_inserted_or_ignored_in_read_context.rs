use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::insert_or_ignore_into(wards::table)
        .values((wards::id.eq(1), wards::name.eq("A")))
        .execute(ctx)
}
