//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<Vec<i32>> {
    let rows = patients::table.select((patients::id, patients::name));
    let insert = doors::insert_select(wards::table, (wards::id, wards::name), rows);
    insert.returning(wards::id).load(ctx)
}
