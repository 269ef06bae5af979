//~ E0501
//~ E0500

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted("a look", |_| diesel::delete(patients::table).execute(ctx))
}
