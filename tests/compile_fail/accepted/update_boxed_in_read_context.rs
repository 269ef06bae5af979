use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::update(patients::table)
        .set(patients::name.eq("Ada"))
        .into_boxed()
        .execute(ctx)
}
