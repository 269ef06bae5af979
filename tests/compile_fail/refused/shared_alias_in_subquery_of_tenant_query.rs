//~ E0277

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let namesake = diesel::alias!(users as namesake);
    patients::table
        .filter(patients::ward_id.eq_any(namesake.select(namesake.field(users::id))))
        .load(ctx)
}
