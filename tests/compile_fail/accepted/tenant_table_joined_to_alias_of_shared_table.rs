use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Patient, Ward)>> {
    let namesake = diesel::alias!(wards as namesake);
    patients::table
        .inner_join(namesake.on(patients::name.eq(namesake.field(wards::name))))
        .load(ctx)
}
