//~ E0277
//~ E0599
//~ message: this is not a statement that one database can run

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Patient, User)>> {
    let namesake = diesel::alias!(users as namesake);
    patients::table
        .inner_join(namesake.on(patients::name.eq(namesake.field(users::name))))
        .load(ctx)
}
