use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, patient: &Patient) -> QueryResult<usize> {
    diesel::delete(patient).execute(ctx)
}
