use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<i32> {
    diesel::insert_into(wards::table)
        .values(wards::name.eq("A"))
        .returning(wards::id)
        .get_result(ctx)
}
