use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let names = doors::union(
        patients::table.select((patients::id, patients::name)),
        patients::table.select((patients::id, patients::name)),
    );
    doors::insert_select(wards::table, (wards::id, wards::name), names).execute(ctx)
}
