//~ E0277
//~ mentions: schema::users::table
//~ E0599
//~ message: this is not a statement that one database can run

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Visit, Patient)>> {
    visits::table
        .inner_join(patients::table.on(diesel::dsl::exists(users::table.find(7))))
        .load(ctx)
}
