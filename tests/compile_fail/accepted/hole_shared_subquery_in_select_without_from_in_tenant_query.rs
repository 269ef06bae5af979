// A nested `SELECT` without `FROM` has no table that Diesel could check what is in it against.
use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let any = select(exists(users::table.find(7)));
    patients::table.filter(exists(any)).load(ctx)
}
