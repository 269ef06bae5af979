// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Option<String>>> {
    let name = users::table.select(users::name).into_boxed().single_value();
    diesel::delete(patients::table)
        .returning(name)
        .get_results(ctx)
}
