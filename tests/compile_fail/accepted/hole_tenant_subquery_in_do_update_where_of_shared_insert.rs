// Diesel does not check the `WHERE` of `DO UPDATE` against the table.
use diesel::dsl::exists;
use diesel::query_dsl::methods::FilterDsl;
use diesel_tenants::prelude::*;
use schema::*;

pub fn case(ctx: &mut SharedContext) -> QueryResult<usize> {
    let upsert = diesel::insert_into(users::table)
        .values(NewUser {
            hospital_id: 1,
            name: "Ada",
        })
        .on_conflict(users::id)
        .do_update()
        .set(users::name.eq("Ada"));
    FilterDsl::filter(upsert, exists(patients::table.find(7))).execute(ctx)
}
