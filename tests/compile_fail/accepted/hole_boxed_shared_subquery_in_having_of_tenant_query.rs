// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    let ids = users::table.select(users::id).into_boxed();
    patients::table
        .group_by(patients::ward_id)
        .having(patients::ward_id.eq_any(ids))
        .select(patients::ward_id)
        .load(ctx)
}
