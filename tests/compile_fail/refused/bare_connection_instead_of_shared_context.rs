//~ E0277
//~ message: SqliteConnection` is not a context
//~ E0277

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(conn: &mut SqliteConnection) -> QueryResult<Vec<User>> {
    users::table.load::<User>(conn)
}
