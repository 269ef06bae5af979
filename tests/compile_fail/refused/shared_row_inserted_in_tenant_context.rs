//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::insert_into(users::table)
        .values(NewUser {
            hospital_id: 1,
            name: "Ada",
        })
        .execute(ctx)
}
