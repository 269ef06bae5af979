use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(i32, Option<String>)>> {
    users::table
        .select((
            users::id,
            hospitals::table.select(hospitals::name).single_value(),
        ))
        .load(ctx)
}
