use diesel::dsl::case_when;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(i32, String)>> {
    patients::table
        .select((
            case_when(patients::phone.is_null(), patients::id + 1).otherwise(patients::id),
            patients::name.concat("!"),
        ))
        .load(ctx)
}
