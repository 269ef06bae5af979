use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let namesake = diesel::alias!(patients as namesake);
    namesake
        .filter(namesake.field(patients::id).gt(7))
        .load(ctx)
}
