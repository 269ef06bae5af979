//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    patients::table
        .select(
            diesel::dsl::case_when(diesel::dsl::exists(users::table.find(7)), patients::id)
                .otherwise(0),
        )
        .load(ctx)
}
