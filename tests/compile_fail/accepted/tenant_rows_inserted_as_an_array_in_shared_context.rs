use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let rows = [
        NewPatient {
            ward_id: 1,
            name: "Ada",
        },
        NewPatient {
            ward_id: 1,
            name: "Bob",
        },
    ];
    diesel::insert_into(patients::table)
        .values(rows)
        .execute(ctx)
}
