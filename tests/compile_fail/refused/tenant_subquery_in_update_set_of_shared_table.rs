//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::update(users::table)
        .set(users::email.eq(patients::table.select(patients::name).single_value()))
        .execute(ctx)
}
