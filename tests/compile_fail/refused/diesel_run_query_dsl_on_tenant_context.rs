//~ E0277
//~ mentions: TenantContext

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    diesel::RunQueryDsl::load::<Patient>(patients::table, ctx)
}
