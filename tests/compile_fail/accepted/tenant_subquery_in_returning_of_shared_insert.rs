use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Option<String>> {
    diesel::insert_into(users::table)
        .values(NewUser {
            hospital_id: 1,
            name: "Ada",
        })
        .returning(hospitals::table.select(hospitals::name).single_value())
        .get_result(ctx)
}
