use diesel::query_dsl::methods::ExecuteDsl;
use diesel_tenants::Admits;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case<C>(ctx: &mut C) -> QueryResult<usize>
where
    C: Context + Admits<users::table>,
    users::table: ExecuteDsl<C::Conn>,
{
    diesel_tenants::RunQueryDsl::execute(users::table, ctx)
}
