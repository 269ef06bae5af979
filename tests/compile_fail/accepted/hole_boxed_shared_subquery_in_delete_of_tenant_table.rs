// Diesel does not check a boxed subquery against the statement around it.
use diesel::dsl::exists;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::delete(patients::table.filter(exists(users::table.into_boxed()))).execute(ctx)
}
