use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Patient, Ward)>> {
    let namesake = diesel::alias!(patients as namesake);
    namesake
        .inner_join(wards::table.on(namesake.field(patients::name).eq(wards::name)))
        .load(ctx)
}
