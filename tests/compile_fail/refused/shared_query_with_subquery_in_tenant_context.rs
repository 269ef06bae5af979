//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(users::hospital_id.eq_any(hospitals::table.select(hospitals::id)))
        .load(ctx)
}
