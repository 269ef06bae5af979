use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(
            users::name
                .nullable()
                .eq(hospitals::table.select(hospitals::name).single_value()),
        )
        .load(ctx)
}
