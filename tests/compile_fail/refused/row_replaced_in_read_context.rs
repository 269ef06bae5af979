//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<usize> {
    diesel::replace_into(wards::table)
        .values((wards::id.eq(1), wards::name.eq("A")))
        .execute(ctx)
}
