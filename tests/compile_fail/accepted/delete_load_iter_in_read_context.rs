use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    let gone = diesel::delete(patients::table).returning(patients::name);
    gone.load_iter::<String, _>(ctx)?.collect()
}
