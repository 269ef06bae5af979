use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    diesel::insert_into(users::table)
        .values((users::hospital_id.eq(1), users::name.eq("Ada")))
        .execute(ctx)
}
