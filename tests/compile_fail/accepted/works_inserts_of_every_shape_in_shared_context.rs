use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let table = users::table;
    let mut rows = 0;
    rows += diesel::insert_into(table)
        .values(&NewUser {
            hospital_id: 1,
            name: "Ada",
        })
        .execute(ctx)?;
    rows += diesel::insert_into(table)
        .values([
            NewUser {
                hospital_id: 1,
                name: "Ada",
            },
            NewUser {
                hospital_id: 1,
                name: "Bob",
            },
        ])
        .execute(ctx)?;
    rows += diesel::insert_into(table)
        .values(vec![(users::hospital_id.eq(1), users::name.eq("Cy"))])
        .execute(ctx)?;
    rows += diesel::insert_into(table)
        .values((
            &NewUser {
                hospital_id: 1,
                name: "Ada",
            },
            users::email.eq(Some("1")),
        ))
        .execute(ctx)?;
    rows += (NewUser {
        hospital_id: 1,
        name: "Ada",
    })
    .insert_into(table)
    .execute(ctx)?;
    rows += diesel::insert_into(hospitals::table)
        .values(hospitals::name.eq("A"))
        .execute(ctx)?;
    rows += diesel::insert_into(hospitals::table)
        .default_values()
        .execute(ctx)?;
    Ok(rows)
}
