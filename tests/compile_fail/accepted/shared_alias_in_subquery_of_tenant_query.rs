use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let namesake = diesel::alias!(wards as namesake);
    patients::table
        .filter(patients::ward_id.eq_any(namesake.select(namesake.field(wards::id))))
        .load(ctx)
}
