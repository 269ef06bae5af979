use diesel_tenants::doors::{self, Combined};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case() -> Combined<diesel::dsl::Union<users::table, users::table>, users::table> {
    doors::union(users::table, users::table)
}
