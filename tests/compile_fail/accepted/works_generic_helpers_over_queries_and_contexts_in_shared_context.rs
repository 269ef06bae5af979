use diesel::dsl::Limit;
use diesel::query_dsl::methods::LimitDsl;
use diesel_tenants::prelude::*;
use diesel_tenants::{Admits, LoadRouted};
use schema::*;

fn page<'q, Q, U, C>(query: Q, ctx: &mut C) -> QueryResult<Vec<U>>
where
    Q: LimitDsl,
    Limit<Q>: LoadRouted<'q, C, U>,
{
    query.limit(10).load_routed(ctx)
}

fn only_here<Q: Shared>(query: Q) -> Q {
    query
}

fn both<C, Q>(ctx: &mut C, query: Q) -> QueryResult<Vec<String>>
where
    C: Context + Admits<Q>,
    for<'q> Q: LoadRouted<'q, C, String>,
{
    query.load_routed(ctx)
}

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    both(ctx, users::table.select(users::name))?;
    page::<_, (User, Hospital), _>(users::table.inner_join(hospitals::table), ctx)?;
    page(only_here(users::table.into_boxed()), ctx)
}
