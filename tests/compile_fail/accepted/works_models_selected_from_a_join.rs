use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<(Patient, Option<Ward>)>> {
    patients::table
        .left_join(wards::table)
        .select((Patient::as_select(), Option::<Ward>::as_select()))
        .load(ctx)
}
