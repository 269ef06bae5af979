//~ E0277
//~ message: ` is not in the shared database

use diesel::sql_types::Integer;
use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::sql_query("SELECT ?")
        .bind::<Integer, _>(7)
        .execute(ctx)
}
