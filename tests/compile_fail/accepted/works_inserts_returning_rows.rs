use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<i32>> {
    let rows = vec![
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
        .values(&rows)
        .get_results::<Patient>(ctx)?;
    diesel::insert_into(patients::table)
        .values(&rows)
        .returning(patients::id)
        .get_results(ctx)
}
