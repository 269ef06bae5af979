use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    let namesake = diesel::alias!(wards as namesake);
    namesake.select(namesake.field(wards::id)).load(ctx)
}
