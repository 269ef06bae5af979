use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::insert_into(hospitals::table)
        .values(hospitals::name.eq("Ada"))
        .execute(ctx)
}
