use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let ids = wards::table
        .select(wards::id)
        .union(visits::table.select(visits::id));
    patients::table.filter(patients::id.eq_any(ids)).load(ctx)
}
