use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let query = patients::table.select(patients::id);
    (&query).execute(ctx)
}
