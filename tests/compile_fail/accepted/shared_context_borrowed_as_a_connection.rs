use diesel_tenants::prelude::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<()> {
    ctx.unrouted("a look", |raw| {
        let _: &mut SqliteConnection = raw.connection();
        Ok(())
    })
}
