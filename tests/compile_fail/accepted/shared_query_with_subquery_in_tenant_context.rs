use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(users::hospital_id.eq_any(hospitals::table.select(hospitals::id)))
        .load(ctx)
}
