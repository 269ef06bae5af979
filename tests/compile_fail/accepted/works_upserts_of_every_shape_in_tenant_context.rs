use diesel::upsert::excluded;
use diesel_tenants::prelude::*;
use schema::*;

// SQLite takes a batch with `ON CONFLICT` where no column may be left out.
#[derive(Insertable)]
#[diesel(table_name = patients, treat_none_as_default_value = false)]
pub struct Named<'a> {
    pub ward_id: i32,
    pub name: &'a str,
}

pub fn case(ctx: &mut TenantContext, changes: &PatientChanges<'_>) -> QueryResult<usize> {
    let row = || NewPatient {
        ward_id: 1,
        name: "Ada",
    };
    let rows = || {
        vec![Named {
            ward_id: 1,
            name: "Ada",
        }]
    };
    let mut n = 0;
    n += diesel::insert_into(patients::table)
        .values(row())
        .on_conflict_do_nothing()
        .execute(ctx)?;
    n += diesel::insert_into(patients::table)
        .values(rows())
        .on_conflict_do_nothing()
        .execute(ctx)?;
    n += diesel::insert_into(patients::table)
        .values(row())
        .on_conflict((patients::id, patients::name))
        .do_nothing()
        .execute(ctx)?;
    n += diesel::insert_into(patients::table)
        .values(rows())
        .on_conflict(patients::id)
        .do_update()
        .set(patients::name.eq(excluded(patients::name)))
        .execute(ctx)?;
    n += diesel::insert_into(patients::table)
        .values(row())
        .on_conflict(patients::id)
        .do_update()
        .set(changes)
        .execute(ctx)?;
    n += diesel::insert_or_ignore_into(patients::table)
        .values(rows())
        .execute(ctx)?;
    n += diesel::replace_into(patients::table)
        .values(rows())
        .execute(ctx)?;
    Ok(n)
}
