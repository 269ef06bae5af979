use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<bool> {
    let name = users::name;
    select(exists(users::table.find(7).group_by(name).select(name))).get_result(ctx)
}
