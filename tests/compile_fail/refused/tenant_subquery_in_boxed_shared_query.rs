//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .into_boxed()
        .filter(users::hospital_id.eq_any(patients::table.select(patients::id)))
        .load(ctx)
}
