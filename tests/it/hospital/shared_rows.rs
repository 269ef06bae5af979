//! One row in every shared table, through a `SharedContext`.
use crate::models::{PRINTED, Same, round_trip, values};

mod dsl {
    pub(super) use diesel_tenants::SharedContext as Conn;
    pub(super) use diesel_tenants::prelude::*;
}

#[path = "../models/shared_rows.rs"]
mod rows;

pub(super) fn fill(ctx: &mut dsl::Conn) {
    rows::fill(ctx);
}
