// Diesel does not check a boxed subquery against the statement around it.
use diesel::dsl::exists;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(exists(users::table.into_boxed()))
        .load(ctx)
}
