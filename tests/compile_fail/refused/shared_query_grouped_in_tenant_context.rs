//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, i64)>> {
    users::table
        .group_by(users::hospital_id)
        .having(diesel::dsl::count_star().gt(1))
        .select((users::hospital_id, diesel::dsl::count_star()))
        .load(ctx)
}
