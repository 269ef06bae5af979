use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Patient, Option<Ward>)>> {
    patients::table.left_join(wards::table).load(ctx)
}
