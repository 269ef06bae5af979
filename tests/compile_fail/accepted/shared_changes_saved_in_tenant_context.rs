use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, changes: &UserChanges<'_>) -> QueryResult<User> {
    changes.save_changes::<User>(ctx)
}
