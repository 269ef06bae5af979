//! Document numbers.
use std::collections::BTreeSet;

use chrono::NaiveTime;
use diesel::result::Error;
use diesel_tenants::models::schema::tenant::patients;
use diesel_tenants::models::tenant::patients::{NewPatient, Sex};
use diesel_tenants::prelude::*;
use diesel_tenants::services::numbers::{Document, next_number};

use super::{service, today};

#[test]
fn numbers_have_the_form_of_their_kind_and_daily_ones_begin_anew() {
    let service = service();
    service.hospital("DMC001");
    let ctx = &mut service.tenancy.tenant(&"DMC001".parse().unwrap()).unwrap();
    let mut next = |document, day| next_number(ctx, document, day).unwrap();
    let tomorrow = today().succ_opt().unwrap();
    assert_eq!(next(Document::Patient, today()), "DMC001-PAT-000001");
    assert_eq!(next(Document::Patient, tomorrow), "DMC001-PAT-000002");
    assert_eq!(
        next(Document::Appointment, today()),
        "DMC001-APT-20260131-0001"
    );
    assert_eq!(
        next(Document::Appointment, today()),
        "DMC001-APT-20260131-0002"
    );
    assert_eq!(
        next(Document::Appointment, tomorrow),
        "DMC001-APT-20260201-0001"
    );
    assert_eq!(next(Document::Admission, tomorrow), "DMC001-ADM-2026-00001");
    let all: BTreeSet<String> = Document::ALL
        .into_iter()
        .map(|document| next(document, today()))
        .collect();
    assert_eq!(all.len(), Document::ALL.len());
}

#[test]
fn a_number_that_was_rolled_back_is_given_out_again() {
    let service = service();
    service.hospital("DMC001");
    let ctx = &mut service.tenancy.tenant(&"DMC001".parse().unwrap()).unwrap();
    let rolled_back = ctx.transaction(|ctx| {
        next_number(ctx, Document::Patient, today())?;
        Err::<(), Error>(Error::RollbackTransaction)
    });
    assert!(rolled_back.is_err());
    assert_eq!(
        next_number(ctx, Document::Patient, today()).unwrap(),
        "DMC001-PAT-000001"
    );
}

/// Rows that came with their numbers, as those of an adopted database do, are in nobody's way.
#[test]
fn a_number_that_a_row_came_with_is_not_given_out_again() {
    let service = service();
    service.hospital("DMC001");
    let ctx = &mut service.tenancy.tenant(&"DMC001".parse().unwrap()).unwrap();
    let came_with = |ctx: &mut TenantContext, number: &str| {
        let at = today().and_time(NaiveTime::MIN);
        let patient = NewPatient::named(number, "Ada", "Applewick", today(), Sex::Female, at);
        diesel::insert_into(patients::table)
            .values(&patient)
            .execute(ctx)
            .unwrap();
    };
    for number in [
        "DMC001-PAT-000001",
        "DMC001-PAT-000041",
        // Of another hospital, of another form, and one that nobody counts on from.
        "DMC002-PAT-000900",
        "DMC001-PAT-000050-B",
        "DMC001-PAT-9223372036854775807",
        "dmc001-pat-000070",
    ] {
        came_with(ctx, number);
    }
    let next = |ctx: &mut TenantContext| next_number(ctx, Document::Patient, today()).unwrap();
    assert_eq!(next(ctx), "DMC001-PAT-000042");
    assert_eq!(next(ctx), "DMC001-PAT-000043");
    // Whenever they come.
    came_with(ctx, "DMC001-PAT-000044");
    assert_eq!(next(ctx), "DMC001-PAT-000045");
}

/// The numbers of eight threads are all different, and there is no gap between them.
#[test]
fn threads_never_share_a_number_nor_leave_one_out() {
    const THREADS: usize = 8;
    const EACH: usize = 100;
    let service = service();
    service.hospital("DMC001");
    let tenant = service.tenancy.handle(&"DMC001".parse().unwrap()).unwrap();
    let numbers: BTreeSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let take = |_| {
                        next_number(&mut tenant.enter().unwrap(), Document::Patient, today())
                            .unwrap()
                    };
                    (0..EACH).map(take).collect::<Vec<_>>()
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let expected = (1..=THREADS * EACH).map(|n| format!("DMC001-PAT-{n:06}"));
    assert!(numbers.into_iter().eq(expected));
}
