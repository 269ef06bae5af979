//~ E0501
//~ E0500

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    ctx.transaction(|_| diesel::delete(users::table).execute(ctx))
}
