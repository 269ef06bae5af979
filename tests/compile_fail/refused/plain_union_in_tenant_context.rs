//~ E0277
//~ message: ` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    patients::table
        .select(patients::name)
        .union(wards::table.select(wards::name))
        .load(ctx)
}
