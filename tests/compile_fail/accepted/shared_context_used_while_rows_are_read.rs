use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let rows = users::table.load_iter::<User, _>(ctx)?;
    let read = rows.count();
    diesel::delete(users::table).execute(ctx)?;
    Ok(read)
}
