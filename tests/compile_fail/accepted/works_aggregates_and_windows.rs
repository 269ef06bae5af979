use diesel::dsl::{max, row_number};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, i64, Option<i32>)>> {
    patients::table
        .select((
            patients::id,
            row_number().window_order(patients::name),
            max(patients::id).partition_by(patients::ward_id),
        ))
        .load(ctx)
}
