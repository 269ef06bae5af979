//~ E0277

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<Vec<i32>> {
    diesel::RunQueryDsl::load(patients::table.select(patients::id), ctx)
}
