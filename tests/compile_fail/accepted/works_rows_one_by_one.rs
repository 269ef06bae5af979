use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let mut found = 0;
    for row in patients::table.load_iter::<Patient, _>(ctx)? {
        found += row?.name.len();
    }
    Ok(found)
}
