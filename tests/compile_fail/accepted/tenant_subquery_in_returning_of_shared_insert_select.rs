use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Option<String>> {
    doors::insert_select(
        hospitals::table,
        (hospitals::id, hospitals::name),
        users::table.select((users::id, users::name)),
    )
    .returning(users::table.select(users::name).single_value())
    .get_result(ctx)
}
