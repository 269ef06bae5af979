use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Visit, Patient)>> {
    visits::table
        .inner_join(patients::table.on(diesel::dsl::exists(wards::table.find(7))))
        .load(ctx)
}
