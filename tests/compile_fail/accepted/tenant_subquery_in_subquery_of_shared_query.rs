use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    let inner = sessions::table
        .filter(sessions::id.eq_any(hospitals::table.select(hospitals::id)))
        .select(sessions::id);
    users::table.filter(users::id.eq_any(inner)).load(ctx)
}
