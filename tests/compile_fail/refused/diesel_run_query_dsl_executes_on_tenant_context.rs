//~ E0277
//~ mentions: TenantContext

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::RunQueryDsl::execute(diesel::delete(patients::table), ctx)
}
