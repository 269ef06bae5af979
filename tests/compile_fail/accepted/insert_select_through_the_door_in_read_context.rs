use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let rows = patients::table.select((patients::id, patients::name));
    doors::insert_select(wards::table, (wards::id, wards::name), rows).execute(ctx)
}
