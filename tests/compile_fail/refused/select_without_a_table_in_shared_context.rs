//~ E0277
//~ message: now` is not in the shared database

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::select(diesel::dsl::now).execute(ctx)
}
