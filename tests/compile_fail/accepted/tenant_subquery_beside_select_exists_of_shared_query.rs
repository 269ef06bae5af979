use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<bool> {
    select(exists(
        users::table
            .find(7)
            .filter(exists(hospitals::table.find(7))),
    ))
    .get_result(ctx)
}
