use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(diesel::dsl::exists(
            wards::table.filter(wards::id.eq(patients::ward_id)),
        ))
        .load(ctx)
}
