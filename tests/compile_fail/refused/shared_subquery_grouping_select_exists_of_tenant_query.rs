//~ E0277
//~ message: SelectStatement<NoFromClause
//~ message: is not in a tenant database

use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<bool> {
    let name = users::table.select(users::name).single_value();
    select(exists(patients::table.find(7)))
        .group_by(name)
        .get_result(ctx)
}
