//~ E0277
//~ mentions: SharedContext

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    diesel::RunQueryDsl::load::<User>(users::table, ctx)
}
