//~ E0277
//~ message: SelectStatement<NoFromClause
//~ message: is not in a tenant database

use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<bool> {
    select(exists(patients::table.find(7)))
        .filter(exists(users::table.find(7)))
        .get_result(ctx)
}
