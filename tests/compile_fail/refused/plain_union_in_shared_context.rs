//~ E0277
//~ message: ` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<String>> {
    users::table
        .select(users::name)
        .union(hospitals::table.select(hospitals::name))
        .load(ctx)
}
