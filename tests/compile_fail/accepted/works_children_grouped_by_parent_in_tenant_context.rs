use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Patient, Vec<Visit>)>> {
    let parents = patients::table.load::<Patient>(ctx)?;
    let children = Visit::belonging_to(&parents)
        .load::<Visit>(ctx)?
        .grouped_by(&parents);
    Ok(parents.into_iter().zip(children).collect())
}
