use diesel::dsl::sql;
use diesel::sql_types::{Bool, Integer};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    patients::table
        .filter(sql::<Bool>("length(name) > ").bind::<Integer, _>(3))
        .load(ctx)
}
