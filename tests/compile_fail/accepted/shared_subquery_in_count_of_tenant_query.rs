use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<i64> {
    patients::table
        .filter(patients::ward_id.eq_any(wards::table.select(wards::id)))
        .count()
        .get_result(ctx)
}
