use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut ReadContext) -> QueryResult<Vec<String>> {
    let (a, b) = (
        patients::table.select(patients::name),
        wards::table.select(wards::name),
    );
    doors::union(a, b).load(ctx)
}
