//~ E0277
//~ mentions: schema::patients::table
//~ E0599
//~ message: this is not a statement that one database can run

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(Session, User)>> {
    sessions::table
        .inner_join(users::table.on(diesel::dsl::exists(patients::table.find(7))))
        .load(ctx)
}
