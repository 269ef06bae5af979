use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::update(hospitals::table)
        .set(hospitals::name.eq("Ada"))
        .execute(ctx)
}
