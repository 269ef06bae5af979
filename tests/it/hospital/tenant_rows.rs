//! One row in every table of a hospital, through a `TenantContext`.
use crate::models::{PRINTED, Same, round_trip, values};

mod dsl {
    pub(super) use diesel_tenants::TenantContext as Conn;
    pub(super) use diesel_tenants::prelude::*;
}

#[path = "../models/care_rows.rs"]
mod care_rows;
#[path = "../models/office_rows.rs"]
mod office_rows;
#[path = "../models/people_rows.rs"]
mod people_rows;
#[path = "../models/service_rows.rs"]
mod service_rows;

pub(super) fn fill(ctx: &mut dsl::Conn) {
    let people = people_rows::people(ctx);
    let appointment = care_rows::care(ctx, &people);
    service_rows::diagnostics(ctx, &people, &appointment);
    service_rows::goods(ctx, &people, &appointment);
    service_rows::finance(ctx, &people, &appointment);
    office_rows::office(ctx, &people, &appointment);
}
