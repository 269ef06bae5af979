//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<i32> {
    diesel::insert_into(wards::table)
        .values(wards::name.eq("A"))
        .returning(wards::id)
        .get_result(ctx)
}
