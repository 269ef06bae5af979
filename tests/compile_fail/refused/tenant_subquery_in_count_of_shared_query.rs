//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<i64> {
    users::table
        .filter(users::hospital_id.eq_any(patients::table.select(patients::id)))
        .count()
        .get_result(ctx)
}
