//! Every row can be written and read back; states and records do not leak.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::users;
use diesel_tenants::models::schema::tenant::{appointments, number_sequences, patients};
use diesel_tenants::models::shared::accounts::{NewUser, User, UserChanges};
use diesel_tenants::models::tenant::appointments::Appointment;
use diesel_tenants::models::tenant::core::NumberSequenceChanges;
use diesel_tenants::models::tenant::patients::{NewPatient, Patient, PatientChanges, Sex};

use super::values::{at, day};
use super::{Database, fill_shared, fill_tenant, tables, texts};

#[test]
fn every_shared_table_has_a_row_that_comes_back() {
    let mut database = Database::shared();
    fill_shared(&mut database.conn);
    assert_one_row_each(&mut database.conn);
}

#[test]
fn every_tenant_table_has_a_row_that_comes_back() {
    let mut database = Database::tenant();
    fill_tenant(&mut database.conn);
    assert_one_row_each(&mut database.conn);
}

/// The database itself tells which tables have no round trip.
fn assert_one_row_each(conn: &mut SqliteConnection) {
    for table in tables(conn) {
        let rows = texts(conn, &format!("SELECT CAST(count(*) AS TEXT) FROM {table}"));
        assert_eq!(rows, ["1"], "{table}");
    }
    let broken = texts(conn, "SELECT \"table\" FROM pragma_foreign_key_check");
    assert!(broken.is_empty(), "{broken:?}");
}

#[test]
fn changes_touch_the_named_columns_only() {
    let mut database = Database::tenant();
    let conn = &mut database.conn;
    let new = NewPatient {
        phone: Some("555 0100"),
        email: Some("ada@example.org"),
        ..NewPatient::named("PAT-1", "Ada", "Testcase", day(1), Sex::Female, at(0))
    };
    diesel::insert_into(patients::table)
        .values(&new)
        .execute(conn)
        .unwrap();
    let before: Patient = patients::table.find(new.id).first(conn).unwrap();

    diesel::update(patients::table.find(new.id))
        .set(PatientChanges {
            phone: Some(Some("555 0199")),
            email: Some(None),
            updated_at: Some(at(1)),
            ..PatientChanges::default()
        })
        .execute(conn)
        .unwrap();

    let after: Patient = patients::table.find(new.id).first(conn).unwrap();
    let wanted = Patient {
        phone: Some("555 0199".into()),
        email: None,
        updated_at: Some(at(1)),
        ..before
    };
    assert!(after == wanted);
}

#[test]
fn a_new_row_starts_with_the_columns_defaults() {
    let mut database = Database::shared();
    let new = NewUser {
        id: Id::new(),
        username: "ada.testcase.nurse",
        email: "ada@example.org",
        password_hash: "none",
        created_at: at(0),
    };
    let user: User = diesel::insert_into(users::table)
        .values(&new)
        .get_result(&mut database.conn)
        .unwrap();
    assert!(user.active && !user.superuser && !user.must_change_password);
    assert_eq!((user.failed_logins, user.locked_until), (0, None));

    let locked = diesel::update(&user)
        .set(UserChanges {
            failed_logins: Some(5),
            locked_until: Some(Some(at(5))),
            ..UserChanges::default()
        })
        .get_result::<User>(&mut database.conn)
        .unwrap();
    assert_eq!(
        (locked.failed_logins, locked.locked_until),
        (5, Some(at(5)))
    );
}

#[test]
fn several_rows_are_one_insert() {
    let mut database = Database::tenant();
    let patients: Vec<_> = ["PAT-1", "PAT-2", "PAT-3"]
        .map(|number| NewPatient {
            city: (number == "PAT-2").then_some("Nowhere"),
            ..NewPatient::named(number, "Ada", "Testcase", day(1), Sex::Other, at(0))
        })
        .into();
    let query = diesel::insert_into(patients::table).values(&patients);
    let inserted = query.execute(&mut database.conn);
    assert_eq!(inserted, Ok(3));
}

#[test]
fn a_number_is_taken_by_one_update() {
    let mut database = Database::tenant();
    fill_tenant(&mut database.conn);
    let sequence = number_sequences::table.find(("kind", "period"));
    let next = diesel::update(sequence)
        .set(number_sequences::next.eq(number_sequences::next + 1))
        .returning(number_sequences::next - 1)
        .get_result::<i64>(&mut database.conn);
    assert_eq!(next, Ok(1 << 40));
    let back = diesel::update(sequence)
        .set(NumberSequenceChanges { next: Some(1) })
        .execute(&mut database.conn);
    assert_eq!(back, Ok(1));
}

#[test]
fn records_of_persons_print_type_and_key_only() {
    let new = NewPatient {
        allergies: Some("penicillin"),
        ..NewPatient::named("PAT-1", "Ada", "Testcase", day(1), Sex::Female, at(0))
    };
    assert_eq!(
        format!("{new:?}"),
        format!("NewPatient {{ id: {}, .. }}", new.id)
    );
    let changes = PatientChanges {
        allergies: Some(Some("penicillin")),
        ..PatientChanges::default()
    };
    assert_eq!(format!("{changes:?}"), "PatientChanges { .. }");
}

#[test]
fn an_unknown_word_is_an_error_that_does_not_repeat_it() {
    let mut database = Database::tenant();
    fill_tenant(&mut database.conn);
    let update = "UPDATE appointments SET state = 'penicillin'";
    database.conn.batch_execute(update).unwrap_err();
    // What another program, or a binary with a newer list, may have written.
    database
        .conn
        .batch_execute(&format!("PRAGMA ignore_check_constraints = ON; {update}"))
        .unwrap();
    let error = appointments::table
        .first::<Appointment>(&mut database.conn)
        .err()
        .unwrap();
    let error = format!("{error}, {error:?}");
    assert!(error.contains("appointment state"), "{error}");
    assert!(!error.contains("penicillin"), "{error}");
}
