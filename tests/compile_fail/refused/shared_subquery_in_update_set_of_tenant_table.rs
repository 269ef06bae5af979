//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::update(patients::table)
        .set(patients::phone.eq(users::table.select(users::name).single_value()))
        .execute(ctx)
}
