use diesel::sql_types::Text;
use diesel_tenants::prelude::*;

#[derive(QueryableByName)]
pub struct Name {
    #[diesel(sql_type = Text)]
    pub name: String,
}

pub fn case(ctx: &mut SharedContext) -> QueryResult<Vec<Name>> {
    ctx.unrouted("a report", |ctx| {
        diesel::sql_query("SELECT name FROM users").load::<Name>(ctx)
    })
}
