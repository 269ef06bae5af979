//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    let namesake = diesel::alias!(patients as namesake);
    patients::table
        .inner_join(namesake.on(patients::name.eq(namesake.field(patients::name))))
        .select(namesake.field(patients::id))
        .load(ctx)
}
