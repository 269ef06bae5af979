//~ E0277
//~ message: SharedContext` is not a context
//~ E0277

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    ctx.transaction(|ctx| users::table.load::<User>(&mut ctx))
}
