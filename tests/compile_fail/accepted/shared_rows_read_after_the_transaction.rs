use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let rows = ctx.transaction(|ctx| users::table.load::<User>(ctx))?;
    Ok(rows.len())
}
