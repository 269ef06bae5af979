use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<(Session, User, Hospital)>> {
    sessions::table
        .inner_join(users::table.inner_join(hospitals::table))
        .select((
            Session::as_select(),
            User::as_select(),
            Hospital::as_select(),
        ))
        .load(ctx)
}
