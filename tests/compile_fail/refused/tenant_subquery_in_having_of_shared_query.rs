//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    users::table
        .group_by(users::hospital_id)
        .having(users::hospital_id.eq_any(patients::table.select(patients::id)))
        .select(users::hospital_id)
        .load(ctx)
}
