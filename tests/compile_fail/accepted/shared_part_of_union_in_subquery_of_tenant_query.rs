use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let names = wards::table
        .select(wards::name)
        .union(wards::table.select(wards::name));
    patients::table
        .filter(patients::name.eq_any(names))
        .load(ctx)
}
