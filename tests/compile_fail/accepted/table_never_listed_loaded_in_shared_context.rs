use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(i32, String)>> {
    hospitals::table.load(ctx)
}
