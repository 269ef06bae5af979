use diesel_tenants::prelude::*;
use schema::*;

fn only<Q: Shared>(_: Q) {}

pub fn case() {
    only(users::table.find(7))
}
