use diesel::connection::SimpleConnection;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    ctx.unrouted("a report over everything", |raw| {
        raw.connection().batch_execute("ANALYZE")?;
        let names = users::table
            .select(users::name)
            .union(patients::table.select(patients::name));
        names.load::<String>(raw)?;
        diesel::sql_query("REINDEX").execute(raw)
    })
}
