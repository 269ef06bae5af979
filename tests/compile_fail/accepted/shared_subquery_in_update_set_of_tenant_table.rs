use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::update(patients::table)
        .set(patients::phone.eq(wards::table.select(wards::name).single_value()))
        .execute(ctx)
}
