//! A page of tenant rows and the shared rows they name take two queries.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::prelude::*;
use diesel_tenants::id::{Id, SharedRef, by_id};
use diesel_tenants::models::schema::{shared::users, tenant::patients};
use diesel_tenants::models::shared::accounts::{NewUser, User};
use diesel_tenants::models::tenant::patients::{NewPatient, Patient, Sex};

use super::Database;
use super::values::{at, day};

fn counting(queries: &Arc<AtomicUsize>) -> impl Instrumentation {
    let queries = Arc::clone(queries);
    move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { .. } = event {
            queries.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_page_with_its_shared_rows_takes_two_queries() {
    let (mut shared, mut tenant) = (Database::shared(), Database::tenant());
    let names = ["ada.testcase", "ben.testcase", "cleo.testcase"];
    let emails = ["ada@example.org", "ben@example.org", "cleo@example.org"];
    let people: Vec<_> = names
        .into_iter()
        .zip(emails)
        .map(|(username, email)| NewUser {
            id: Id::new(),
            username,
            email,
            password_hash: "none",
            created_at: at(0),
        })
        .collect();
    diesel::insert_into(users::table)
        .values(&people)
        .execute(&mut shared.conn)
        .unwrap();
    let gone = Id::<User>::new();
    let numbers: Vec<_> = (0..20).map(|n| format!("PAT-{n:02}")).collect();
    let new: Vec<_> = numbers
        .iter()
        .enumerate()
        .map(|(n, number)| NewPatient {
            registered_by: match n % 4 {
                0 => None,
                3 => Some(gone.into()),
                n => Some(people[n].id.into()),
            },
            ..NewPatient::named(number, "Ada", "Testcase", day(1), Sex::Unknown, at(0))
        })
        .collect();
    diesel::insert_into(patients::table)
        .values(&new)
        .execute(&mut tenant.conn)
        .unwrap();

    let queries = Arc::new(AtomicUsize::new(0));
    shared.conn.set_instrumentation(counting(&queries));
    tenant.conn.set_instrumentation(counting(&queries));
    let page: Vec<Patient> = patients::table
        .order(patients::number)
        .load(&mut tenant.conn)
        .unwrap();
    let wanted = SharedRef::distinct(page.iter().filter_map(|patient| patient.registered_by));
    let found = users::table
        .filter(users::id.eq_any(wanted.iter().copied()))
        .load::<User>(&mut shared.conn)
        .unwrap();
    let found = by_id(found);

    assert_eq!(queries.load(Ordering::Relaxed), 2);
    assert_eq!((wanted.len(), found.len()), (3, 2));
    let names: Vec<_> = page[..4]
        .iter()
        .map(|patient| {
            let user = patient.registered_by.and_then(|user| found.get(&user.id()));
            user.map(|user| user.username.as_str())
        })
        .collect();
    assert_eq!(
        names,
        [None, Some("ben.testcase"), Some("cleo.testcase"), None]
    );
}
