//~ E0277
//~ message: ` is not in the shared database

use diesel::dsl::sql;
use diesel::sql_types::Integer;
use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<i32> {
    sql::<Integer>("SELECT count(*) FROM users").get_result(ctx)
}
