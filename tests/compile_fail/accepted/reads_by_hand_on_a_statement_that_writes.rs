use diesel_tenants::prelude::*;
use schema::*;

fn reads<Q: diesel_tenants::Reads>(_: Q) {}

pub fn case(ctx: &mut ReadContext) -> QueryResult<i64> {
    reads(patients::table);
    patients::table.count().get_result(ctx)
}
