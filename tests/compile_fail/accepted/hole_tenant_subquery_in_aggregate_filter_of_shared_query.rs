// Diesel does not check the `FILTER` of an aggregate against the statement around it.
use diesel::dsl::{count, exists};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<i64>> {
    let counted = count(users::id).aggregate_filter(exists(patients::table.find(7)));
    users::table.select(counted).load(ctx)
}
