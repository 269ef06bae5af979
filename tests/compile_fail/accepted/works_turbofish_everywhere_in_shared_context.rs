use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<()> {
    users::table.load::<User>(ctx)?;
    users::table.first::<User>(ctx)?;
    users::table.get_result::<User>(ctx)?;
    users::table.get_results::<User>(ctx)?;
    users::table.load_iter::<User, _>(ctx)?;
    users::table.load_iter::<User, diesel::connection::DefaultLoadingMode>(ctx)?;
    Ok(())
}
