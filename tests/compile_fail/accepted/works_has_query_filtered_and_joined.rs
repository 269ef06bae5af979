use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    Patient::query()
        .inner_join(wards::table)
        .filter(wards::name.eq("A"))
        .load(ctx)
}
