use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Option<String>> {
    doors::insert_select(
        wards::table,
        (wards::id, wards::name),
        patients::table.select((patients::id, patients::name)),
    )
    .returning(patients::table.select(patients::name).single_value())
    .get_result(ctx)
}
