//~ E0308

use diesel_tenants::prelude::*;
use schema::*;

fn clear(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::delete(patients::table).execute(ctx)
}

pub fn case(ctx: &mut ReadContext) -> QueryResult<usize> {
    clear(ctx)
}
