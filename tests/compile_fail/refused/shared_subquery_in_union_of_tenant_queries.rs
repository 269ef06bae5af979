//~ E0277

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    let named = patients::table
        .filter(patients::ward_id.eq_any(users::table.select(users::id)))
        .select(patients::name);
    doors::union(named, wards::table.select(wards::name)).load(ctx)
}
