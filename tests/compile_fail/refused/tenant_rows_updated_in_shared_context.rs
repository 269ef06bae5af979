//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::update(patients::table.filter(patients::id.gt(7)))
        .set(patients::name.eq("Ada"))
        .execute(ctx)
}
