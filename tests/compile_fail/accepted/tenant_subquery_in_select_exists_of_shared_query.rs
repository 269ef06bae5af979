use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<bool> {
    let rows =
        users::table.filter(users::hospital_id.eq_any(hospitals::table.select(hospitals::id)));
    diesel::select(diesel::dsl::exists(rows)).get_result(ctx)
}
