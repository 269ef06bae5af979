use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Patient, Option<Visit>, Ward)>> {
    patients::table
        .left_join(visits::table)
        .inner_join(wards::table)
        .load(ctx)
}
