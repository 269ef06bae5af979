//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<User> {
    diesel::insert_into(users::table)
        .values(NewUser {
            hospital_id: 1,
            name: "Ada",
        })
        .returning(User::as_returning())
        .get_result(ctx)
}
