use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .order(patients::name.desc())
        .then_order_by(patients::id)
        .limit(10)
        .offset(20)
        .load(ctx)
}
