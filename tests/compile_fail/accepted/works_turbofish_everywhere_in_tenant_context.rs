use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<()> {
    patients::table.load::<Patient>(ctx)?;
    patients::table.first::<Patient>(ctx)?;
    patients::table.get_result::<Patient>(ctx)?;
    patients::table.get_results::<Patient>(ctx)?;
    patients::table.load_iter::<Patient, _>(ctx)?;
    patients::table.load_iter::<Patient, diesel::connection::DefaultLoadingMode>(ctx)?;
    Ok(())
}
