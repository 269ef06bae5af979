// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let name = users::table.select(users::name).into_boxed().single_value();
    diesel::update(patients::table)
        .set(patients::phone.eq(name))
        .execute(ctx)
}
