use diesel_tenants::prelude::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<()> {
    ctx.unrouted("a look", |raw| {
        let _: &mut SqliteConnection = raw.connection();
        Ok(())
    })
}
