//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<usize> {
    diesel::insert_into(wards::table)
        .default_values()
        .execute(ctx)
}
