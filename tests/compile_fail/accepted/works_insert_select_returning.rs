use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    let rows = patients::table
        .filter(patients::id.gt(7))
        .select((patients::id, patients::name));
    doors::insert_select(wards::table, (wards::id, wards::name), rows.into_boxed()).execute(ctx)?;
    doors::insert_select(
        wards::table,
        (wards::id, wards::name),
        doors::union(rows, wards::table),
    )
    .execute(ctx)?;
    doors::insert_select(wards::table, (wards::id, wards::name), rows)
        .returning(wards::id)
        .get_results(ctx)
}
