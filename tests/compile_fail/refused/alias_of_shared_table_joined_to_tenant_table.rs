//~ E0277
//~ E0599
//~ message: this is not a statement that one database can run

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(User, Patient)>> {
    let namesake = diesel::alias!(users as namesake);
    namesake
        .inner_join(patients::table.on(namesake.field(users::name).eq(patients::name)))
        .load(ctx)
}
