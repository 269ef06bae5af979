//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(i32, Option<String>)>> {
    users::table
        .select((
            users::id,
            patients::table.select(patients::name).single_value(),
        ))
        .load(ctx)
}
