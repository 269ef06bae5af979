use diesel_tenants::prelude::*;
use schema::*;

#[diesel::declare_sql_function]
extern "SQL" {
    fn lower(text: diesel::sql_types::Text) -> diesel::sql_types::Text;
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    patients::table.select(lower(patients::name)).load(ctx)
}
