// Diesel does not check a boxed subquery against the statement around it.
use diesel::dsl::exists;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(exists(patients::table.into_boxed()))
        .load(ctx)
}
