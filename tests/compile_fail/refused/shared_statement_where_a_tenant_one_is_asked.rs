//~ E0277
//~ message: `schema::users::table` is not in a tenant database

use diesel_tenants::prelude::*;
use schema::*;

fn only<Q: Tenant>(_: Q) {}

pub fn case() {
    only(users::table.find(7))
}
