use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    patients::table.select(patients::name).distinct().load(ctx)
}
