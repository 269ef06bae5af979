//~ E0277
//~ message: C: Admits<schema::users::table>

use diesel::query_dsl::methods::ExecuteDsl;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case<C>(ctx: &mut C) -> QueryResult<usize>
where
    C: Context,
    users::table: ExecuteDsl<C::Conn>,
{
    diesel_tenants::RunQueryDsl::execute(users::table, ctx)
}
