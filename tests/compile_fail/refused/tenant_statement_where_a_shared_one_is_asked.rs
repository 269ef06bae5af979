//~ E0277
//~ message: `schema::patients::table` is not in the shared database

use diesel_tenants::prelude::*;
use schema::*;

fn only<Q: Shared>(_: Q) {}

pub fn case() {
    only(patients::table.find(7))
}
