//~ E0277
//~ E0599
//~ message: this is not a statement that one database can run

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(Session, User, Patient)>> {
    sessions::table
        .inner_join(users::table)
        .inner_join(patients::table.on(users::name.eq(patients::name)))
        .load(ctx)
}
