use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let table = patients::table;
    let mut rows = 0;
    rows += diesel::insert_into(table)
        .values(&NewPatient {
            ward_id: 1,
            name: "Ada",
        })
        .execute(ctx)?;
    rows += diesel::insert_into(table)
        .values([
            NewPatient {
                ward_id: 1,
                name: "Ada",
            },
            NewPatient {
                ward_id: 1,
                name: "Bob",
            },
        ])
        .execute(ctx)?;
    rows += diesel::insert_into(table)
        .values(vec![(patients::ward_id.eq(1), patients::name.eq("Cy"))])
        .execute(ctx)?;
    rows += diesel::insert_into(table)
        .values((
            &NewPatient {
                ward_id: 1,
                name: "Ada",
            },
            patients::phone.eq(Some("1")),
        ))
        .execute(ctx)?;
    rows += (NewPatient {
        ward_id: 1,
        name: "Ada",
    })
    .insert_into(table)
    .execute(ctx)?;
    rows += diesel::insert_into(wards::table)
        .values(wards::name.eq("A"))
        .execute(ctx)?;
    rows += diesel::insert_into(wards::table)
        .default_values()
        .execute(ctx)?;
    Ok(rows)
}
