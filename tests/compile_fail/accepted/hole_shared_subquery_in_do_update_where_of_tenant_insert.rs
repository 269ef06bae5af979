// Diesel does not check the `WHERE` of `DO UPDATE` against the table.
use diesel::dsl::exists;
use diesel::query_dsl::methods::FilterDsl;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut TenantContext) -> QueryResult<usize> {
    let upsert = diesel::insert_into(patients::table)
        .values(NewPatient {
            ward_id: 1,
            name: "Ada",
        })
        .on_conflict(patients::id)
        .do_update()
        .set(patients::name.eq("Ada"));
    FilterDsl::filter(upsert, exists(users::table.find(7))).execute(ctx)
}
