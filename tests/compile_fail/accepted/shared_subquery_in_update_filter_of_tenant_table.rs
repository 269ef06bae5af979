use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::update(patients::table.filter(patients::ward_id.eq_any(wards::table.select(wards::id))))
        .set(patients::name.eq("Ada"))
        .execute(ctx)
}
