use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    let namesake = diesel::alias!(hospitals as namesake);
    namesake.select(namesake.field(hospitals::id)).load(ctx)
}
