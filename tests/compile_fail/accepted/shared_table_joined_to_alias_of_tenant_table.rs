use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(User, Hospital)>> {
    let namesake = diesel::alias!(hospitals as namesake);
    users::table
        .inner_join(namesake.on(users::name.eq(namesake.field(hospitals::name))))
        .load(ctx)
}
