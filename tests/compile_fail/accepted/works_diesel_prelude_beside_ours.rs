use diesel::prelude::*;
use diesel_tenants::RunQueryDsl;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table.filter(patients::id.gt(7)).load(ctx)
}
