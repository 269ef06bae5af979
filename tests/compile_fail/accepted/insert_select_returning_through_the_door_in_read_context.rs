use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    let rows = patients::table.select((patients::id, patients::name));
    let insert = doors::insert_select(wards::table, (wards::id, wards::name), rows);
    insert.returning(wards::id).load(ctx)
}
