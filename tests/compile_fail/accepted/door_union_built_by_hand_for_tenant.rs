use diesel_tenants::doors::{self, Combined};
use diesel_tenants::prelude::*;
use schema::*;

pub fn case() -> Combined<diesel::dsl::Union<patients::table, patients::table>, patients::table> {
    doors::union(patients::table, patients::table)
}
