// Route and marker are public because `routes!` writes them into the application. Written by hand for a statement of
// one's own they say whatever one likes.
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;
use diesel_tenants::Route;
use diesel_tenants::prelude::*;
use diesel_tenants::scope::TenantScope;

#[derive(QueryId)]
pub struct Vacuum;

impl QueryFragment<Sqlite> for Vacuum {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("VACUUM");
        Ok(())
    }
}

impl Route for Vacuum {
    type Scope = TenantScope;
}
impl Tenant for Vacuum {}
impl<Conn> diesel::RunQueryDsl<Conn> for Vacuum {}

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    Vacuum.execute(ctx)
}
