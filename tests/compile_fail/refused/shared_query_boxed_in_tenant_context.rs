//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, name: Option<String>) -> QueryResult<Vec<User>> {
    let mut query = users::table.into_boxed();
    if let Some(name) = name {
        query = query.filter(users::name.eq(name));
    }
    query.load(ctx)
}
