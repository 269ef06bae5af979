use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(User, Hospital)>> {
    let namesake = diesel::alias!(users as namesake);
    namesake
        .inner_join(hospitals::table.on(namesake.field(users::name).eq(hospitals::name)))
        .load(ctx)
}
