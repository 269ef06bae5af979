//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(patients::ward_id.eq_any(users::table.select(users::id)))
        .load(ctx)
}
