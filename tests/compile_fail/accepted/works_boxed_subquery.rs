use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let ids = wards::table.select(wards::id).into_boxed();
    patients::table
        .filter(patients::ward_id.eq_any(ids))
        .load(ctx)
}
