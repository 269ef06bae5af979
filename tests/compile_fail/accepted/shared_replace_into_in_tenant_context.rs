use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::replace_into(users::table)
        .values(NewUser {
            hospital_id: 1,
            name: "Ada",
        })
        .execute(ctx)
}
