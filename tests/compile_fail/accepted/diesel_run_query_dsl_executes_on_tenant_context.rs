use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel_tenants::RunQueryDsl::execute(diesel::delete(patients::table), ctx)
}
