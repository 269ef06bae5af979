// Diesel does not check a boxed subquery against the statement around it.
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let name = users::table.select(users::name).into_boxed().single_value();
    diesel::insert_into(patients::table)
        .values(NewPatient {
            ward_id: 1,
            name: "Ada",
        })
        .on_conflict(patients::id)
        .do_update()
        .set(patients::phone.eq(name))
        .execute(ctx)
}
