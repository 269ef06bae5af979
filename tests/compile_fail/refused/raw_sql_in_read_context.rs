//~ E0277
//~ message: is not in a tenant database
//~ E0277
//~ message: this statement writes

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<usize> {
    diesel::sql_query("DELETE FROM patients").execute(ctx)
}
