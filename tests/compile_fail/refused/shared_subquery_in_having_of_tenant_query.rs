//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    patients::table
        .group_by(patients::ward_id)
        .having(patients::ward_id.eq_any(users::table.select(users::id)))
        .select(patients::ward_id)
        .load(ctx)
}
