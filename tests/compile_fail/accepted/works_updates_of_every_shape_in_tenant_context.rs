use diesel_tenants::prelude::*;
use schema::*;

pub fn case(
    ctx: &mut TenantContext,
    row: &Patient,
    changes: &PatientChanges<'_>,
) -> QueryResult<usize> {
    let mut n = 0;
    n += diesel::update(patients::table)
        .set((patients::name.eq("Ada"), patients::phone.eq(None::<String>)))
        .execute(ctx)?;
    n += diesel::update(patients::table.find(7))
        .set(patients::name.eq(patients::name.concat("!")))
        .execute(ctx)?;
    n += diesel::update(row)
        .set(patients::ward_id.eq(patients::ward_id + 1))
        .execute(ctx)?;
    n += diesel::update(patients::table)
        .filter(patients::id.eq(7))
        .set(changes)
        .execute(ctx)?;
    n += diesel::update(patients::table)
        .set(Some(patients::name.eq("Ada")))
        .execute(ctx)?;
    n += diesel::update(patients::table)
        .filter(patients::ward_id.eq_any(wards::table.select(wards::id)))
        .set(patients::name.eq("Ada"))
        .execute(ctx)?;
    n += diesel::update(patients::table)
        .into_boxed()
        .filter(patients::id.gt(7))
        .set(patients::name.eq("Ada"))
        .execute(ctx)?;
    diesel::update(row)
        .set(changes)
        .returning(patients::name)
        .get_result::<String>(ctx)?;
    Ok(n)
}
