use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, parents: &[Patient]) -> QueryResult<Vec<i32>> {
    Visit::belonging_to(parents)
        .filter(visits::id.gt(7))
        .select(visits::id)
        .load(ctx)
}
