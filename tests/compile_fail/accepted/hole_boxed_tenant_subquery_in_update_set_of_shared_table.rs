// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let name = patients::table
        .select(patients::name)
        .into_boxed()
        .single_value();
    diesel::update(users::table)
        .set(users::email.eq(name))
        .execute(ctx)
}
