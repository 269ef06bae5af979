//~ E0277
//~ message: `INSERT … SELECT` has a door of its own

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let rows = patients::table.select((patients::id, patients::name));
    rows.insert_into(wards::table)
        .into_columns((wards::id, wards::name))
        .execute(ctx)
}
