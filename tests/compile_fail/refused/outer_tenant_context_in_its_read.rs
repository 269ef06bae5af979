//~ E0500
//~ E0501

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.read(|_| diesel::delete(patients::table).execute(ctx))
}
