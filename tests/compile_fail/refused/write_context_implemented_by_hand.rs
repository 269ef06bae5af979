//~ E0117

use diesel_tenants::prelude::*;
use schema::*;

impl diesel_tenants::WriteContext for ReadContext<'_> {}

pub fn case(ctx: &mut ReadContext) -> QueryResult<i64> {
    patients::table.count().get_result(ctx)
}
