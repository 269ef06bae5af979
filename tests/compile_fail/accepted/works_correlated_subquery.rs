use diesel::dsl::exists;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let theirs = visits::table.filter(visits::patient_id.eq(patients::id));
    patients::table.filter(exists(theirs)).load(ctx)
}
