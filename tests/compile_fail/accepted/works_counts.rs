use diesel::dsl::{count, count_distinct};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<(i64, i64, i64)> {
    let all = patients::table.count().get_result(ctx)?;
    let named = patients::table
        .filter(patients::name.ne(""))
        .select(count(patients::phone))
        .first(ctx)?;
    let distinct = patients::table
        .select(count_distinct(patients::name))
        .first(ctx)?;
    Ok((all, named, distinct))
}
