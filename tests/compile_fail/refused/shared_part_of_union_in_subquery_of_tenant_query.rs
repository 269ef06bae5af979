//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let names = wards::table
        .select(wards::name)
        .union(users::table.select(users::name));
    patients::table
        .filter(patients::name.eq_any(names))
        .load(ctx)
}
