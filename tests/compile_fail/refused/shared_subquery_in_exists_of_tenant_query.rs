//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(diesel::dsl::exists(
            users::table.filter(users::id.eq(patients::ward_id)),
        ))
        .load(ctx)
}
