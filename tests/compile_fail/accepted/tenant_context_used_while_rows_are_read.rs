use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let rows = patients::table.load_iter::<Patient, _>(ctx)?;
    let read = rows.count();
    diesel::delete(patients::table).execute(ctx)?;
    Ok(read)
}
