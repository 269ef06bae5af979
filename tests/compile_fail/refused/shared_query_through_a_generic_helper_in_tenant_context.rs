//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel::dsl::Limit;
use diesel::query_dsl::methods::LimitDsl;
use diesel_tenants::LoadRouted;
use diesel_tenants::prelude::*;
use schema::*;

fn at_most<'q, Q, U, Ctx>(query: Q, rows: i64, ctx: &mut Ctx) -> QueryResult<Vec<U>>
where
    Q: LimitDsl,
    Limit<Q>: LoadRouted<'q, Ctx, U>,
{
    query.limit(rows).load_routed(ctx)
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<User>> {
    at_most(users::table, 10, ctx)
}
