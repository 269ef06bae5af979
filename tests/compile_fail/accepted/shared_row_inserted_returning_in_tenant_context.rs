use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<User> {
    diesel::insert_into(users::table)
        .values(NewUser {
            hospital_id: 1,
            name: "Ada",
        })
        .returning(User::as_returning())
        .get_result(ctx)
}
