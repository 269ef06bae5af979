//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<User>> {
    users::table
        .order(users::name.desc())
        .then_order_by(users::id)
        .limit(10)
        .offset(20)
        .load(ctx)
}
