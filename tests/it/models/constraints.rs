//! What the tables themselves refuse: words, duplicates, and pointers to nowhere.

use std::collections::{BTreeMap, BTreeSet};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{Nullable, Text};

use super::{Database, fill_shared, fill_tenant, tables, texts};

/// The words that the table allows in each column, from the declarations in the file.
fn checked_words(conn: &mut SqliteConnection) -> BTreeMap<String, Vec<String>> {
    let mut checked = BTreeMap::new();
    for table in tables(conn) {
        let declarations = texts(
            conn,
            &format!("SELECT sql FROM sqlite_master WHERE name = '{table}'"),
        );
        for check in declarations[0].split("CHECK (").skip(1) {
            let Some((column, list)) = check.split_once(" IN (") else {
                continue;
            };
            if column.contains(' ') {
                continue; // Another kind of check; the list is a later one's.
            }
            let words = list.split(')').next().unwrap().split(',');
            let words = words.map(|word| word.trim().trim_matches('\'').to_owned());
            checked.insert(format!("{table}.{column}"), words.collect());
        }
    }
    checked
}

macro_rules! words {
    ($scope:ident: $($table:ident.$column:ident: $module:ident::$word:ident,)*) => {
        BTreeMap::from([$((
            // The column is one of the table.
            {
                let _ = diesel_tenants::models::schema::$scope::$table::$column;
                concat!(stringify!($table), ".", stringify!($column)).to_owned()
            },
            diesel_tenants::models::$scope::$module::$word::ALL
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
        )),*])
    };
}

#[test]
fn shared_tables_allow_the_words_of_the_enums() {
    let words = words! { shared:
        subscriptions.state: subscriptions::SubscriptionState,
        subscriptions.billing_cycle: subscriptions::BillingCycle,
        tenant_access.role: accounts::Role,
    };
    assert_eq!(checked_words(&mut Database::shared().conn), words);
}

#[test]
fn tenant_tables_allow_the_words_of_the_enums() {
    let words = words! { tenant:
        admissions.state: ipd::AdmissionState,
        appointment_events.from_state: appointments::AppointmentState,
        appointment_events.to_state: appointments::AppointmentState,
        appointments.state: appointments::AppointmentState,
        appointments.priority: appointments::Priority,
        emergency_cases.triage: emergency::Triage,
        emergency_cases.state: emergency::EmergencyState,
        insurance_claims.state: billing::ClaimState,
        inventory_transactions.kind: inventory::InventoryTransactionKind,
        invoices.state: billing::InvoiceState,
        lab_order_items.state: laboratory::LabOrderState,
        lab_orders.priority: appointments::Priority,
        lab_orders.state: laboratory::LabOrderState,
        lab_results.state: laboratory::LabResultState,
        leave_requests.kind: hr::LeaveKind,
        leave_requests.state: hr::LeaveState,
        notifications.level: notifications::NotificationLevel,
        opd_visits.priority: appointments::Priority,
        opd_visits.state: opd::VisitState,
        patients.sex: patients::Sex,
        payments.payment_method: billing::PaymentMethod,
        payments.state: billing::PaymentState,
        payroll_entries.state: hr::PayrollState,
        pharmacy_sales.payment_method: billing::PaymentMethod,
        prescriptions.state: pharmacy::PrescriptionState,
        radiology_orders.priority: appointments::Priority,
        radiology_orders.state: radiology::RadiologyOrderState,
        radiology_studies.state: radiology::StudyState,
        rooms.kind: rooms::RoomKind,
        staff_attendance.state: staff::AttendanceState,
        staff_members.kind: staff::StaffKind,
        staff_members.employment: staff::Employment,
        staff_members.shift: staff::Shift,
        stock_movements.kind: pharmacy::StockMovementKind,
        study_types.modality: radiology::Modality,
        surgeries.state: surgery::SurgeryState,
        surgery_team.role: surgery::SurgeryRole,
        teleconsultations.state: telemedicine::ConsultationState,
    };
    assert_eq!(checked_words(&mut Database::tenant().conn), words);
}

/// The unique indexes of every table but its primary key: `table(columns)`, with `*` where they are partial.
fn unique(conn: &mut SqliteConnection) -> Vec<String> {
    let mut unique = Vec::new();
    for table in tables(conn) {
        unique.append(&mut texts(
            conn,
            &format!(
                "SELECT '{table}(' || (SELECT group_concat(name, ', ') FROM pragma_index_info(i.name)) || ')' \
                 || iif(partial, '*', '') FROM pragma_index_list('{table}') i \
                 WHERE i.\"unique\" AND origin <> 'pk' ORDER BY 1",
            ),
        ));
    }
    unique
}

#[test]
fn shared_rows_have_natural_keys() {
    assert_eq!(
        unique(&mut Database::shared().conn),
        [
            "contract_acceptances(hospital_id, user_id, version)",
            "groups(name)",
            "hospitals(code)",
            "hospitals(subdomain)",
            "hospitals(tenant_uuid)",
            "permissions(code)",
            "plans(code)",
            "profiles(user_id)",
            "sessions(token_sha256)",
            "subscriptions(hospital_id)*",
            "tenant_access(user_id)*",
            "tenant_access(user_id, hospital_id)",
            "users(email)",
            "users(username)",
        ]
    );
}

#[test]
fn tenant_rows_have_natural_keys() {
    assert_eq!(
        unique(&mut Database::tenant().conn),
        [
            "admissions(bed_id)*",
            "admissions(number)",
            "admissions(patient_id)*",
            "appointment_types(name)",
            "appointments(number)",
            "beds(room_id, number)",
            "daily_metrics(day, metric)",
            "dashboard_widgets(user_id, widget)",
            "departments(name)",
            "doctor_schedules(doctor_id, weekday, starts_at)",
            "doctors(license_number)",
            "doctors(number)",
            "doctors(staff_member_id)",
            "drug_categories(name)",
            "emergency_cases(number)",
            "insurance_claims(invoice_id)",
            "insurance_claims(number)",
            "inventory_items(code)",
            "invoices(number)",
            "lab_orders(number)",
            "lab_results(lab_order_item_id)",
            "lab_sections(code)",
            "lab_tests(code)",
            "manufacturers(code)",
            "medicines(code)",
            "nurse_schedules(nurse_id, day)",
            "nurses(license_number)",
            "nurses(number)",
            "nurses(staff_member_id)",
            "opd_visits(number)",
            "operating_theatres(name)",
            "patient_documents(storage_key)",
            "patients(number)",
            "patients(user_id)",
            "payments(number)",
            "payroll_entries(staff_member_id, period)",
            "pharmacy_sales(sale_number)",
            "prescriptions(number)",
            "radiology_orders(number)",
            "radiology_studies(radiology_order_id)",
            "radiology_studies(study_uid)",
            "rooms(number)",
            "services(code)",
            "staff_attendance(staff_member_id, day)",
            "staff_members(email)",
            "staff_members(number)",
            "staff_members(user_id)",
            "staff_schedules(staff_member_id, weekday)",
            "study_types(code)",
            "suppliers(code)",
            "surgeries(number)",
            "surgery_team(surgery_id, staff_member_id)",
            "teleconsultations(appointment_id)",
            "teleconsultations(meeting_room)",
        ]
    );
}

/// Copies the only row of a table under a new key, with `changes` made to it.
fn copy(conn: &mut SqliteConnection, table: &str, changes: &str) -> QueryResult<()> {
    conn.batch_execute(&format!(
        "CREATE TEMP TABLE copy AS SELECT * FROM {table} LIMIT 1;
         UPDATE copy SET id = randomblob(16){changes};
         INSERT INTO {table} SELECT * FROM copy;
         DROP TABLE copy;"
    ))
    .inspect_err(|_| conn.batch_execute("DROP TABLE copy").unwrap())
}

#[track_caller]
fn assert_unique_violation(result: QueryResult<()>) {
    match result {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => {}
        other => panic!("expected a unique violation, got {other:?}"),
    }
}

#[test]
fn a_bed_and_a_patient_have_one_open_stay() {
    let mut database = Database::tenant();
    let conn = &mut database.conn;
    fill_tenant(conn);
    conn.batch_execute(
        "INSERT INTO beds (id, room_id, number) SELECT x'01', room_id, 'other' FROM beds;
         INSERT INTO patients (id, number, given_name, family_name, birth_date, sex, created_at)
         SELECT x'02', 'other', given_name, family_name, birth_date, sex, created_at FROM patients;",
    )
    .unwrap();
    assert_unique_violation(copy(
        conn,
        "admissions",
        ", number = 'A', patient_id = x'02'",
    ));
    assert_unique_violation(copy(conn, "admissions", ", number = 'A', bed_id = x'01'"));
    conn.batch_execute("UPDATE admissions SET state = 'discharged'")
        .unwrap();
    copy(conn, "admissions", ", number = 'A', state = 'admitted'").unwrap();
}

#[test]
fn a_hospital_has_one_current_subscription() {
    let mut database = Database::shared();
    let conn = &mut database.conn;
    fill_shared(conn);
    assert_unique_violation(copy(conn, "subscriptions", ", state = 'trial'"));
    copy(conn, "subscriptions", ", state = 'cancelled'").unwrap();
    conn.batch_execute("UPDATE subscriptions SET state = 'expired'")
        .unwrap();
    copy(conn, "subscriptions", ", state = 'trial'").unwrap();
}

#[test]
fn a_user_starts_in_one_hospital() {
    let mut database = Database::shared();
    let conn = &mut database.conn;
    fill_shared(conn);
    conn.batch_execute(
        "INSERT INTO hospitals (id, code, name, subdomain, email, time_zone, currency, created_at)
         SELECT x'01', 'OTHER', name, 'other', email, time_zone, currency, created_at FROM hospitals;
         UPDATE tenant_access SET is_default = TRUE;",
    )
    .unwrap();
    assert_unique_violation(copy(conn, "tenant_access", ", hospital_id = x'01'"));
    assert_unique_violation(copy(conn, "tenant_access", ", is_default = FALSE"));
    copy(
        conn,
        "tenant_access",
        ", hospital_id = x'01', is_default = FALSE",
    )
    .unwrap();
}

#[test]
fn amounts_and_stocks_do_not_go_below_nothing() {
    let mut database = Database::tenant();
    let conn = &mut database.conn;
    fill_tenant(conn);
    for update in [
        "medicines SET on_hand = -1",
        "inventory_items SET on_hand = -1",
        "pharmacy_sales SET net_amount = -1",
        "payments SET amount = 0",
        "invoice_items SET quantity = 0",
        "prescription_items SET quantity_dispensed = quantity_prescribed + 1",
        "patient_feedback SET rating = 6",
        "leave_requests SET ends_on = '2020-01-01'",
        "number_sequences SET next = 0",
    ] {
        match conn.batch_execute(&format!("UPDATE {update}")) {
            Err(Error::DatabaseError(DatabaseErrorKind::CheckViolation, _)) => {}
            other => panic!("{update}: {other:?}"),
        }
    }
}

#[derive(QueryableByName)]
struct ForeignKey {
    #[diesel(sql_type = Text)]
    target: String,
    #[diesel(sql_type = Text)]
    column: String,
    #[diesel(sql_type = Nullable<Text>)]
    target_column: Option<String>,
}

#[test]
fn no_foreign_key_leaves_its_database_and_each_has_an_index() {
    for mut database in [Database::shared(), Database::tenant()] {
        let conn = &mut database.conn;
        let tables = tables(conn);
        let mut found = 0;
        for table in &tables {
            let leading: BTreeSet<_> = texts(
                conn,
                &format!(
                    "SELECT info.name FROM pragma_index_list('{table}') list, pragma_index_info(list.name) info \
                     WHERE info.seqno = 0 AND NOT list.partial"
                ),
            )
            .into_iter()
            .collect();
            let keys: Vec<ForeignKey> = diesel::sql_query(
                "SELECT \"table\" AS target, \"from\" AS \"column\", \"to\" AS target_column \
                 FROM pragma_foreign_key_list(?)",
            )
            .bind::<Text, _>(table)
            .load(conn)
            .unwrap();
            for key in keys {
                found += 1;
                assert!(
                    tables.contains(&key.target),
                    "{table}.{} -> {}",
                    key.column,
                    key.target
                );
                assert_eq!(
                    key.target_column.as_deref(),
                    Some("id"),
                    "{table}.{}",
                    key.column
                );
                assert!(
                    leading.contains(&key.column),
                    "{table}.{} leads no index",
                    key.column
                );
            }
        }
        assert!(found > 0);
    }
}
