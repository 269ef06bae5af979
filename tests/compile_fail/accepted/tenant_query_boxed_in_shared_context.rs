use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, name: Option<String>) -> QueryResult<Vec<Patient>> {
    let mut query = patients::table.into_boxed();
    if let Some(name) = name {
        query = query.filter(patients::name.eq(name));
    }
    query.load(ctx)
}
