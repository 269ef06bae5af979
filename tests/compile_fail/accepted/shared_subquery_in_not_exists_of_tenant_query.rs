use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(diesel::dsl::not(diesel::dsl::exists(wards::table.find(7))))
        .load(ctx)
}
