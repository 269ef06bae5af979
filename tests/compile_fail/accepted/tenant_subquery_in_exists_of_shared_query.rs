use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(diesel::dsl::exists(
            hospitals::table.filter(hospitals::id.eq(users::hospital_id)),
        ))
        .load(ctx)
}
