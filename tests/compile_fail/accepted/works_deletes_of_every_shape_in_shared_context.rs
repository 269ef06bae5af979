use diesel::dsl::exists;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, row: &User) -> QueryResult<usize> {
    let mut n = 0;
    n += diesel::delete(users::table)
        .filter(users::id.lt(7))
        .execute(ctx)?;
    n += diesel::delete(users::table.find(7)).execute(ctx)?;
    n += diesel::delete(row).execute(ctx)?;
    n += diesel::delete(users::table)
        .filter(users::id.lt(7))
        .or_filter(users::email.is_null())
        .execute(ctx)?;
    n += diesel::delete(users::table)
        .into_boxed()
        .filter(users::id.gt(7))
        .execute(ctx)?;
    n += diesel::delete(
        sessions::table.filter(exists(users::table.filter(users::id.eq(sessions::user_id)))),
    )
    .execute(ctx)?;
    diesel::delete(users::table)
        .returning(users::id)
        .get_results::<i32>(ctx)?;
    Ok(n)
}
