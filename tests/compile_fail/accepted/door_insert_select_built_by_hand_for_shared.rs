use diesel_tenants::doors::{self, InsertSelect};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case()
-> InsertSelect<hospitals::table, (hospitals::id,), diesel::dsl::Select<users::table, (users::id,)>>
{
    doors::insert_select(
        hospitals::table,
        (hospitals::id,),
        users::table.select((users::id,)),
    )
}
