// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    let ids = patients::table.select(patients::id).into_boxed();
    users::table
        .filter(users::hospital_id.eq_any(ids))
        .load(ctx)
}
