//~ E0277
//~ E0599
//~ message: this is not a statement that one database can run

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(User, Patient)>> {
    let namesake = diesel::alias!(patients as namesake);
    users::table
        .inner_join(namesake.on(users::name.eq(namesake.field(patients::name))))
        .load(ctx)
}
