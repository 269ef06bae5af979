//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i64>> {
    users::table
        .group_by(patients::name)
        .select(diesel::dsl::count_star())
        .load(ctx)
}
