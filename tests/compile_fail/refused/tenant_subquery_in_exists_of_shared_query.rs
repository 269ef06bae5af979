//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(diesel::dsl::exists(
            patients::table.filter(patients::id.eq(users::hospital_id)),
        ))
        .load(ctx)
}
