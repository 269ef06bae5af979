use diesel::result::Error;
use diesel_tenants::prelude::*;
use schema::*;

#[derive(Debug)]
pub enum Refused {
    Full,
    Database(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

pub fn case(ctx: &mut SharedContext) -> Result<i64, Refused> {
    ctx.transaction(|ctx| {
        diesel::delete(users::table.find(7)).execute(ctx)?;
        ctx.transaction(|ctx| diesel::delete(hospitals::table.find(7)).execute(ctx))?;
        let left = ctx.read_transaction(|ctx| users::table.count().get_result(ctx))?;
        if left > 10 {
            Err(Refused::Full)
        } else {
            Ok(left)
        }
    })
}
