//~ E0277

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::delete(patients::table.filter(patients::ward_id.eq_any(users::table.select(users::id))))
        .execute(ctx)
}
