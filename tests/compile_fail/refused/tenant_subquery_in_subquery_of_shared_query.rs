//~ E0277
//~ mentions: schema::patients::table

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    let inner = sessions::table
        .filter(sessions::id.eq_any(patients::table.select(patients::id)))
        .select(sessions::id);
    users::table.filter(users::id.eq_any(inner)).load(ctx)
}
