use diesel::dsl::{exists, select};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<bool> {
    let name = patients::name;
    select(exists(patients::table.find(7).group_by(name).select(name))).get_result(ctx)
}
