//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<Vec<String>> {
    diesel::update(patients::table.find(7))
        .set(patients::name.eq("Ada"))
        .returning(patients::name)
        .load(ctx)
}
