use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<String>> {
    let (a, b) = (
        users::table.select(users::name),
        hospitals::table.select(hospitals::name),
    );
    doors::union_all(a, b).load::<String>(ctx)?;
    doors::intersect(a, b).load::<String>(ctx)?;
    doors::except(a.into_boxed(), b).first::<String>(ctx)?;
    doors::union(
        doors::union(a, b),
        users::table.filter(users::id.gt(7)).select(users::name),
    )
    .positional_order_by(1)
    .limit(10)
    .offset(5)
    .load(ctx)
}
