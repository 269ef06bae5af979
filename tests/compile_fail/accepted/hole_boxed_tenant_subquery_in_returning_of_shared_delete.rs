// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<Option<String>>> {
    let name = patients::table
        .select(patients::name)
        .into_boxed()
        .single_value();
    diesel::delete(users::table)
        .returning(name)
        .get_results(ctx)
}
