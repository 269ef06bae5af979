use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::delete(patients::table.filter(patients::id.gt(7))).execute(ctx)
}
