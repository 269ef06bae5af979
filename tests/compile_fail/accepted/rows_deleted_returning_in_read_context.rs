use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<String> {
    diesel::delete(patients::table.find(7))
        .returning(patients::name)
        .get_result(ctx)
}
