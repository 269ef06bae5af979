//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(
            patients::name
                .nullable()
                .eq(users::table.select(users::name).single_value()),
        )
        .load(ctx)
}
