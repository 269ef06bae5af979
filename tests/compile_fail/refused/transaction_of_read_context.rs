//~ E0599
//~ message: no method named `transaction` found

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext<'_>) -> QueryResult<i64> {
    ctx.transaction(|ctx| patients::table.count().get_result(ctx))
}
