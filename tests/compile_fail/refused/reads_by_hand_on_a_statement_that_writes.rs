//~ E0117

use diesel_tenants::prelude::*;
use schema::*;

type Clear = diesel::query_builder::DeleteStatement<patients::table, patients::table>;
impl diesel_tenants::Reads for Clear {}

pub fn case(ctx: &mut ReadContext) -> QueryResult<i64> {
    patients::table.count().get_result(ctx)
}
