use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let rows = vec![
        NewUser {
            hospital_id: 1,
            name: "Ada",
        },
        NewUser {
            hospital_id: 1,
            name: "Bob",
        },
    ];
    diesel::insert_into(users::table).values(&rows).execute(ctx)
}
