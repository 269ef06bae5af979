//~ E0308

use diesel_tenants::prelude::*;
use schema::*;

fn clear(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::delete(users::table).execute(ctx)
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    clear(ctx)
}
