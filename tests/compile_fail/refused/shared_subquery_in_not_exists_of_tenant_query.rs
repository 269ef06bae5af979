//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(diesel::dsl::not(diesel::dsl::exists(users::table.find(7))))
        .load(ctx)
}
