//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(
            users::name
                .nullable()
                .eq(patients::table.select(patients::name).single_value()),
        )
        .load(ctx)
}
