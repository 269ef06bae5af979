//~ E0521

use diesel_tenants::prelude::*;
use schema::*;

pub fn case(one: &mut TenantContext, other: &mut TenantContext) -> QueryResult<()> {
    one.read(|one| other.read(|other| QueryResult::Ok(std::mem::swap(one, other))))
}
