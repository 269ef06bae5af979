use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<User>> {
    let names = hospitals::table
        .select(hospitals::name)
        .union(hospitals::table.select(hospitals::name));
    users::table.filter(users::name.eq_any(names)).load(ctx)
}
