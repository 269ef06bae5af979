use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::delete(patients::table.filter(patients::phone.is_null())).execute(ctx)
}
