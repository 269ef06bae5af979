//~ E0277
//~ message: ` is not in a tenant database

use diesel::dsl::sql;
use diesel::sql_types::Integer;
use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<i32> {
    sql::<Integer>("SELECT count(*) FROM patients").get_result(ctx)
}
