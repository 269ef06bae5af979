//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i64>> {
    patients::table
        .group_by(users::name)
        .select(diesel::dsl::count_star())
        .load(ctx)
}
