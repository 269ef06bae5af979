//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, name: Option<String>) -> QueryResult<Vec<Patient>> {
    let mut query = patients::table.into_boxed();
    if let Some(name) = name {
        query = query.filter(patients::name.eq(name));
    }
    query.load(ctx)
}
