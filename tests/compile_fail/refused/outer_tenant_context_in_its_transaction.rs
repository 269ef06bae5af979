//~ E0501
//~ E0500

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.transaction(|_| diesel::delete(patients::table).execute(ctx))
}
