use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Visit, Patient, Ward)>> {
    visits::table
        .inner_join(patients::table.inner_join(wards::table))
        .select((Visit::as_select(), Patient::as_select(), Ward::as_select()))
        .load(ctx)
}
