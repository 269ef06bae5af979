use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Option<String>>> {
    patients::table
        .select(patients::phone)
        .distinct()
        .order(patients::phone)
        .limit(3)
        .offset(1)
        .load(ctx)
}
