use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::update(patients::table.filter(patients::id.gt(7)))
        .set(patients::name.eq("Ada"))
        .execute(ctx)
}
