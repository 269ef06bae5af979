use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    let namesake = diesel::alias!(hospitals as namesake);
    users::table
        .filter(users::hospital_id.eq_any(namesake.select(namesake.field(hospitals::id))))
        .load(ctx)
}
