use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Patient>> {
    let older = diesel::alias!(patients as older);
    let names = older
        .filter(older.field(patients::id).lt(7))
        .select(older.field(patients::name));
    patients::table
        .filter(patients::name.eq_any(names))
        .load(ctx)
}
