//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<usize> {
    diesel::update(patients::table.filter(patients::id.gt(7)))
        .set(patients::name.eq("Ada"))
        .execute(ctx)
}
