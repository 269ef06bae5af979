use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::insert_into(users::table)
        .values(NewUser {
            hospital_id: 1,
            name: "Ada",
        })
        .on_conflict(users::id)
        .do_update()
        .set(users::email.eq(hospitals::table.select(hospitals::name).single_value()))
        .execute(ctx)
}
