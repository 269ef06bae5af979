use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<bool> {
    let rows = patients::table.filter(patients::ward_id.eq_any(wards::table.select(wards::id)));
    diesel::select(diesel::dsl::exists(rows)).get_result(ctx)
}
