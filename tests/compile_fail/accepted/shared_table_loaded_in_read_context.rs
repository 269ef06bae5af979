use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<Vec<String>> {
    patients::table.select(patients::name).load(ctx)
}
