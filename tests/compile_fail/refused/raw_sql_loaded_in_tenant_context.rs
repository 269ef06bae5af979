//~ E0277
//~ message: SqlQuery` is not in a tenant database

use diesel::sql_types::Text;
use diesel_tenants::prelude::*;

#[derive(QueryableByName)]
pub struct Name {
    #[diesel(sql_type = Text)]
    pub name: String,
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Name>> {
    diesel::sql_query("SELECT name FROM patients").load::<Name>(ctx)
}
