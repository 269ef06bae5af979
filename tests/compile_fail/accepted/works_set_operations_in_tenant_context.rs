use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<Vec<String>> {
    let (a, b) = (
        patients::table.select(patients::name),
        wards::table.select(wards::name),
    );
    doors::union_all(a, b).load::<String>(ctx)?;
    doors::intersect(a, b).load::<String>(ctx)?;
    doors::except(a.into_boxed(), b).first::<String>(ctx)?;
    doors::union(
        doors::union(a, b),
        patients::table
            .filter(patients::id.gt(7))
            .select(patients::name),
    )
    .positional_order_by(1)
    .limit(10)
    .offset(5)
    .load(ctx)
}
