use diesel::dsl::exists;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext, row: &Patient) -> QueryResult<usize> {
    let mut n = 0;
    n += diesel::delete(patients::table)
        .filter(patients::id.lt(7))
        .execute(ctx)?;
    n += diesel::delete(patients::table.find(7)).execute(ctx)?;
    n += diesel::delete(row).execute(ctx)?;
    n += diesel::delete(patients::table)
        .filter(patients::id.lt(7))
        .or_filter(patients::phone.is_null())
        .execute(ctx)?;
    n += diesel::delete(patients::table)
        .into_boxed()
        .filter(patients::id.gt(7))
        .execute(ctx)?;
    n += diesel::delete(visits::table.filter(exists(
        patients::table.filter(patients::id.eq(visits::patient_id)),
    )))
    .execute(ctx)?;
    diesel::delete(patients::table)
        .returning(patients::id)
        .get_results::<i32>(ctx)?;
    Ok(n)
}
