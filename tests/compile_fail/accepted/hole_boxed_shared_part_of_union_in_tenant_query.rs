// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let names = wards::table
        .select(wards::name)
        .union(users::table.select(users::name).into_boxed());
    patients::table
        .filter(patients::name.eq_any(names))
        .load(ctx)
}
