use diesel_tenants::LoadRouted;
use diesel_tenants::prelude::*;
use schema::*;

fn all<'q, Q: LoadRouted<'q, Ctx, String>, Ctx>(
    query: Q,
    ctx: &mut Ctx,
) -> QueryResult<Vec<String>> {
    query.load_routed(ctx)
}

pub fn case(ctx: &mut ReadContext) -> QueryResult<Vec<String>> {
    all(wards::table.select(wards::name), ctx)
}
