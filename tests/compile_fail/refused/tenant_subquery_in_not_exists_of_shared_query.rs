//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(diesel::dsl::not(diesel::dsl::exists(
            patients::table.find(7),
        )))
        .load(ctx)
}
