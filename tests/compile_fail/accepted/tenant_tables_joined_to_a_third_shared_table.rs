use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Visit, Patient, Ward)>> {
    visits::table
        .inner_join(patients::table)
        .inner_join(wards::table.on(patients::name.eq(wards::name)))
        .load(ctx)
}
