//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    let names = doors::union(
        patients::table.select(patients::name),
        wards::table.select(wards::name),
    );
    doors::union(names, users::table.select(users::name)).load(ctx)
}
