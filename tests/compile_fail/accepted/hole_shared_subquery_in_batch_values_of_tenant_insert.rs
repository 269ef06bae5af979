// Diesel does not check a subquery in `VALUES` against the table it goes into.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let name = users::table.select(users::name).single_value();
    let rows = vec![(
        patients::ward_id.eq(1),
        patients::name.eq("Ada"),
        patients::phone.eq(name),
    )];
    diesel::insert_into(patients::table)
        .values(rows)
        .execute(ctx)
}
