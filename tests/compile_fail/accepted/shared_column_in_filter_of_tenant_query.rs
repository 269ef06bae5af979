use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table.filter(patients::name.eq("Ada")).load(ctx)
}
