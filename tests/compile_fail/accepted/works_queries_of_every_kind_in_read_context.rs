use diesel_tenants::doors;
use diesel_tenants::prelude::*;
use schema::*;

diesel::alias!(patients as others: Others);

pub fn case(ctx: &mut ReadContext, ward: &Ward) -> QueryResult<()> {
    let _: Vec<Patient> = Patient::query().load(ctx)?;
    let _: Option<Patient> = Patient::query()
        .filter(patients::id.eq(7))
        .first(ctx)
        .optional()?;
    let _: Vec<Patient> = Patient::belonging_to(ward)
        .select(Patient::as_select())
        .load(ctx)?;
    let _: Vec<(String, String)> = patients::table
        .inner_join(wards::table)
        .select((patients::name, wards::name))
        .order(patients::name.desc())
        .limit(5)
        .load(ctx)?;
    let _: Vec<(i32, Option<String>)> = patients::table
        .left_join(visits::table)
        .select((patients::id, visits::reason.nullable()))
        .load(ctx)?;
    let _: Vec<(i32, i64)> = patients::table
        .group_by(patients::ward_id)
        .select((patients::ward_id, diesel::dsl::count_star()))
        .having(diesel::dsl::count_star().gt(1))
        .load(ctx)?;
    let _: bool = diesel::select(diesel::dsl::exists(patients::table.find(7))).get_result(ctx)?;
    let _: Vec<i32> = patients::table
        .filter(patients::id.eq_any(visits::table.select(visits::patient_id)))
        .select(patients::id)
        .distinct()
        .into_boxed()
        .load(ctx)?;
    let _: Vec<String> = others.select(others.field(patients::name)).load(ctx)?;
    let _: Vec<i32> = patients::table
        .inner_join(others.on(others.field(patients::ward_id).eq(patients::ward_id)))
        .select(patients::id)
        .load(ctx)?;
    let (a, b) = (
        patients::table.select(patients::name),
        wards::table.select(wards::name),
    );
    let _: Vec<String> = doors::union(a, b).positional_order_by(1).load(ctx)?;
    for name in wards::table
        .select(wards::name)
        .load_iter::<String, _>(ctx)?
    {
        drop(name?);
    }
    Ok(())
}
