//~ E0277
//~ mentions: SharedContext

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::RunQueryDsl::execute(diesel::delete(users::table), ctx)
}
