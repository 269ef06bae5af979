//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    users::table
        .select(
            diesel::dsl::case_when(diesel::dsl::exists(patients::table.find(7)), users::id)
                .otherwise(0),
        )
        .load(ctx)
}
