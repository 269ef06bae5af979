// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let ids = users::table.select(users::id).into_boxed();
    patients::table
        .filter(patients::ward_id.eq_any(ids))
        .load(ctx)
}
