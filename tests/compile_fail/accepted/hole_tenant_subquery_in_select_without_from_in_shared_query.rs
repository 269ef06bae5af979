// A nested `SELECT` without `FROM` has no table that Diesel could check what is in it against.
use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    let any = select(exists(patients::table.find(7)));
    users::table.filter(exists(any)).load(ctx)
}
