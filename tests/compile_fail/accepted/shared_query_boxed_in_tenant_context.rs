use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, name: Option<String>) -> QueryResult<Vec<User>> {
    let mut query = users::table.into_boxed();
    if let Some(name) = name {
        query = query.filter(users::name.eq(name));
    }
    query.load(ctx)
}
