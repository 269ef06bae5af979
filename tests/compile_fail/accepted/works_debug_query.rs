use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<String> {
    let query = patients::table.filter(patients::name.eq("Ada"));
    query.load::<Patient>(ctx)?;
    Ok(diesel::debug_query::<diesel::sqlite::Sqlite, _>(&query).to_string())
}
