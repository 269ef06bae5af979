//~ E0277
//~ message: this statement writes, and a `ReadContext` only reads

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<Vec<String>> {
    let gone = diesel::delete(patients::table).returning(patients::name);
    gone.load_iter::<String, _>(ctx)?.collect()
}
