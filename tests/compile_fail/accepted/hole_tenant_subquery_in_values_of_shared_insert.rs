// Diesel does not check a subquery in `VALUES` against the table it goes into.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let name = patients::table.select(patients::name).single_value();
    diesel::insert_into(users::table)
        .values((
            users::hospital_id.eq(1),
            users::name.eq("Ada"),
            users::email.eq(name),
        ))
        .execute(ctx)
}
