use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(hospitals::table.find(7))).get_result(ctx)
}
