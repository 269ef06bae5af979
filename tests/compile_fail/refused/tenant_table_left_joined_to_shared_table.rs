//~ E0277
//~ E0599
//~ message: this is not a statement that one database can run

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Patient, Option<User>)>> {
    patients::table
        .left_join(users::table.on(patients::name.eq(users::name)))
        .load(ctx)
}
