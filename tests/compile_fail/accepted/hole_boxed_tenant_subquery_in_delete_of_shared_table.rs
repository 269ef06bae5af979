// Diesel does not check a boxed subquery against the statement around it.
use diesel::dsl::exists;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::delete(users::table.filter(exists(patients::table.into_boxed()))).execute(ctx)
}
