use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, changes: UserChanges<'_>) -> QueryResult<usize> {
    diesel::update(users::table.find(7))
        .set(changes)
        .execute(ctx)
}
