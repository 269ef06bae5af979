//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::insert_into(users::table)
        .values((users::hospital_id.eq(1), users::name.eq("Ada")))
        .execute(ctx)
}
