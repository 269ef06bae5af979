use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, patient: &Patient) -> QueryResult<Vec<Visit>> {
    Visit::belonging_to(patient).load::<Visit>(ctx)
}
