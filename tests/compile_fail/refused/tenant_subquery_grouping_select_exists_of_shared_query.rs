//~ E0277
//~ message: SelectStatement<NoFromClause
//~ message: is not in the shared database

use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<bool> {
    let name = patients::table.select(patients::name).single_value();
    select(exists(users::table.find(7)))
        .group_by(name)
        .get_result(ctx)
}
