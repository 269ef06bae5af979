//~ E0277

use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<String>> {
    let named = users::table
        .filter(users::hospital_id.eq_any(patients::table.select(patients::id)))
        .select(users::name);
    doors::union(named, hospitals::table.select(hospitals::name)).load(ctx)
}
