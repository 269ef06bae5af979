// A fragment is text.
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    users::table
        .filter(sql::<Bool>("EXISTS (SELECT 1 FROM patients)"))
        .load(ctx)
}
