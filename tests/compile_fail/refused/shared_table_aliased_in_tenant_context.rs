//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<User>> {
    let namesake = diesel::alias!(users as namesake);
    namesake.filter(namesake.field(users::id).gt(7)).load(ctx)
}
