use diesel_tenants::prelude::*;
use schema::*;

fn only<Q: Tenant>(_: Q) {}

pub fn case() {
    only(patients::table.find(7))
}
