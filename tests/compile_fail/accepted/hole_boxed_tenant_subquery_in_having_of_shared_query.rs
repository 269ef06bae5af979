// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i32>> {
    let ids = patients::table.select(patients::id).into_boxed();
    users::table
        .group_by(users::hospital_id)
        .having(users::hospital_id.eq_any(ids))
        .select(users::hospital_id)
        .load(ctx)
}
