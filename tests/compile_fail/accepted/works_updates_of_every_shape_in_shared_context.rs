use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext, row: &User, changes: &UserChanges<'_>) -> QueryResult<usize> {
    let mut n = 0;
    n += diesel::update(users::table)
        .set((users::name.eq("Ada"), users::email.eq(None::<String>)))
        .execute(ctx)?;
    n += diesel::update(users::table.find(7))
        .set(users::name.eq(users::name.concat("!")))
        .execute(ctx)?;
    n += diesel::update(row)
        .set(users::hospital_id.eq(users::hospital_id + 1))
        .execute(ctx)?;
    n += diesel::update(users::table)
        .filter(users::id.eq(7))
        .set(changes)
        .execute(ctx)?;
    n += diesel::update(users::table)
        .set(Some(users::name.eq("Ada")))
        .execute(ctx)?;
    n += diesel::update(users::table)
        .filter(users::hospital_id.eq_any(hospitals::table.select(hospitals::id)))
        .set(users::name.eq("Ada"))
        .execute(ctx)?;
    n += diesel::update(users::table)
        .into_boxed()
        .filter(users::id.gt(7))
        .set(users::name.eq("Ada"))
        .execute(ctx)?;
    diesel::update(row)
        .set(changes)
        .returning(users::name)
        .get_result::<String>(ctx)?;
    Ok(n)
}
