//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::insert_into(patients::table)
        .values((patients::ward_id.eq(1), patients::name.eq("Ada")))
        .execute(ctx)
}
