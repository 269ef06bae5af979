//~ E0277

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::delete(
        users::table.filter(users::hospital_id.eq_any(patients::table.select(patients::id))),
    )
    .execute(ctx)
}
