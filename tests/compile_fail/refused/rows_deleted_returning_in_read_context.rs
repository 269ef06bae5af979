//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<String> {
    diesel::delete(patients::table.find(7))
        .returning(patients::name)
        .get_result(ctx)
}
