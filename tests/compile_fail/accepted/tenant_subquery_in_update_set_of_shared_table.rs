use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::update(users::table)
        .set(users::email.eq(hospitals::table.select(hospitals::name).single_value()))
        .execute(ctx)
}
