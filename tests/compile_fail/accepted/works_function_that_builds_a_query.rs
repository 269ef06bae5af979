use diesel::dsl::{Eq, Filter, auto_type};
use diesel::sqlite::Sqlite;
use diesel_tenants::prelude::*;
use schema::*;

fn named(name: &str) -> Filter<patients::table, Eq<patients::name, &str>> {
    patients::table.filter(patients::name.eq(name))
}

fn boxed<'a>(name: Option<&'a str>) -> patients::BoxedQuery<'a, Sqlite> {
    let query = patients::table.into_boxed();
    match name {
        Some(name) => query.filter(patients::name.eq(name)),
        None => query,
    }
}

#[auto_type]
fn recent() -> _ {
    let newest = patients::id.desc();
    patients::table.filter(patients::id.gt(7_i32)).order(newest)
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    named("Ada").load::<Patient>(ctx)?;
    boxed(None).load::<Patient>(ctx)?;
    recent().load(ctx)
}
