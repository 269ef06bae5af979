//~ E0277
//~ mentions: schema::users::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let inner = visits::table
        .filter(visits::id.eq_any(users::table.select(users::id)))
        .select(visits::id);
    patients::table.filter(patients::id.eq_any(inner)).load(ctx)
}
