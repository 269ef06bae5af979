use diesel_tenants::prelude::*;
use schema::*;

pub fn case(conn: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table.load::<User>(conn)
}
