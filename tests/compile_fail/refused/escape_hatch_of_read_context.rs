//~ E0599
//~ message: no method named `unrouted` found

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext<'_>) -> QueryResult<usize> {
    ctx.unrouted("no other way", |raw| {
        diesel::sql_query("ANALYZE").execute(raw)
    })
}
