//~ E0277
//~ message: `INSERT … SELECT` has a door of its own

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let rows = patients::table.select((patients::id, patients::name));
    diesel::insert_or_ignore_into(wards::table)
        .values(rows)
        .execute(ctx)
}
