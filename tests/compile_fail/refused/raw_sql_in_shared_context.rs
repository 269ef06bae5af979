//~ E0277
//~ message: SqlQuery` is not in the shared database

use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::sql_query("ANALYZE users").execute(ctx)
}
