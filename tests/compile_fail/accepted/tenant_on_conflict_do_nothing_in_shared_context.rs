use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    diesel::insert_into(patients::table)
        .values(NewPatient {
            ward_id: 1,
            name: "Ada",
        })
        .on_conflict(patients::id)
        .do_nothing()
        .execute(ctx)
}
