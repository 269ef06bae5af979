use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, Option<i64>)>> {
    let kept = visits::table
        .filter(visits::patient_id.eq(patients::id))
        .count()
        .single_value();
    patients::table.select((patients::id, kept)).load(ctx)
}
