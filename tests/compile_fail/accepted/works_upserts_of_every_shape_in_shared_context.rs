use diesel::upsert::excluded;
use diesel_tenants::prelude::*;
use schema::*;

// SQLite takes a batch with `ON CONFLICT` where no column may be left out.
#[derive(Insertable)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub struct Named<'a> {
    pub hospital_id: i32,
    pub name: &'a str,
}

pub fn case(ctx: &mut SharedContext, changes: &UserChanges<'_>) -> QueryResult<usize> {
    let row = || NewUser {
        hospital_id: 1,
        name: "Ada",
    };
    let rows = || {
        vec![Named {
            hospital_id: 1,
            name: "Ada",
        }]
    };
    let mut n = 0;
    n += diesel::insert_into(users::table)
        .values(row())
        .on_conflict_do_nothing()
        .execute(ctx)?;
    n += diesel::insert_into(users::table)
        .values(rows())
        .on_conflict_do_nothing()
        .execute(ctx)?;
    n += diesel::insert_into(users::table)
        .values(row())
        .on_conflict((users::id, users::name))
        .do_nothing()
        .execute(ctx)?;
    n += diesel::insert_into(users::table)
        .values(rows())
        .on_conflict(users::id)
        .do_update()
        .set(users::name.eq(excluded(users::name)))
        .execute(ctx)?;
    n += diesel::insert_into(users::table)
        .values(row())
        .on_conflict(users::id)
        .do_update()
        .set(changes)
        .execute(ctx)?;
    n += diesel::insert_or_ignore_into(users::table)
        .values(rows())
        .execute(ctx)?;
    n += diesel::replace_into(users::table)
        .values(rows())
        .execute(ctx)?;
    Ok(n)
}
