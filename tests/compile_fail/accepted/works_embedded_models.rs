use diesel_tenants::prelude::*;
use schema::*;

#[derive(Queryable, Selectable)]
pub struct Pair {
    #[diesel(embed)]
    pub one: Patient,
    #[diesel(embed)]
    pub other: Ward,
}

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<Pair>> {
    patients::table
        .inner_join(wards::table)
        .select(Pair::as_select())
        .load(ctx)
}
