use diesel_tenants::doors::{self, InsertSelect};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case()
-> InsertSelect<wards::table, (wards::id,), diesel::dsl::Select<patients::table, (patients::id,)>> {
    doors::insert_select(
        wards::table,
        (wards::id,),
        patients::table.select((patients::id,)),
    )
}
