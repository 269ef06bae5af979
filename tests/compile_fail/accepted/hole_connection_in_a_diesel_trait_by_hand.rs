// Diesel hands the bare connection to whoever implements its execution traits. What is written by hand for a type of
// one's own is not looked into.
use diesel::associations::HasTable;
use diesel::query_dsl::UpdateAndFetchResults;
use diesel_tenants::prelude::*;
use schema::*;

#[derive(Clone, Copy)]
pub struct Everyone;

impl HasTable for Everyone {
    type Table = patients::table;

    fn table() -> Self::Table {
        patients::table
    }
}

impl UpdateAndFetchResults<Everyone, Vec<User>> for SqliteConnection {
    fn update_and_fetch(&mut self, _: Everyone) -> QueryResult<Vec<User>> {
        diesel::RunQueryDsl::load(users::table, self)
    }
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<User>> {
    Everyone.save_changes(ctx)
}
