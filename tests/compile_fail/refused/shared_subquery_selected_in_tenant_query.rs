//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, Option<String>)>> {
    patients::table
        .select((
            patients::id,
            users::table.select(users::name).single_value(),
        ))
        .load(ctx)
}
