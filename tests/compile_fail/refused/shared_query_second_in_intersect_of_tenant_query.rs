//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    doors::intersect(
        patients::table.select(patients::name),
        users::table.select(users::name),
    )
    .load(ctx)
}
