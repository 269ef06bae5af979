//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<String>> {
    users::table.select(patients::name).load(ctx)
}
