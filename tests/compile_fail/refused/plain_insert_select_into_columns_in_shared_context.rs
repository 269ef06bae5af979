//~ E0277
//~ message: `INSERT … SELECT` has a door of its own

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let rows = users::table.select((users::id, users::name));
    rows.insert_into(hospitals::table)
        .into_columns((hospitals::id, hospitals::name))
        .execute(ctx)
}
