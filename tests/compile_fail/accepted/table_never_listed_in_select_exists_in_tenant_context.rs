use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(wards::table.find(7))).get_result(ctx)
}
