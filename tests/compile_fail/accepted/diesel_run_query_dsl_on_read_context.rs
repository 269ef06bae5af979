use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<Vec<i32>> {
    diesel_tenants::RunQueryDsl::load(patients::table.select(patients::id), ctx)
}
