// Diesel does not check the `FILTER` of an aggregate against the statement around it.
use diesel::dsl::{count, exists};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i64>> {
    let counted = count(patients::id).aggregate_filter(exists(users::table.find(7)));
    patients::table.select(counted).load(ctx)
}
