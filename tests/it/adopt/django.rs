//! The hospital of a Django application becomes a tenant, by the mapping that is shipped.
use super::*;

const DJANGO: &str = include_str!("django.sql");

const HOSPITAL: &str = include_str!("../../../examples/data/django-hospital.mapping.toml");

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// One hospital's file, as Django made and filled it, becomes a tenant of the hospital model.
#[test]
fn a_django_hospital_becomes_a_tenant() {
    use diesel_tenants::models::schema::tenant::{appointments, patients};
    let dir = crate::scratch::dir();
    let home = dir.path().join("hospitals/TH001");
    std::fs::create_dir_all(&home).unwrap();
    let path = home.join("db.sqlite3");
    made_of(&path, DJANGO);
    let tenancy = crate::hospital::open(&dir.path().join("data"));
    let mapping: Mapping = HOSPITAL.parse().unwrap();
    let before = everything(&home);

    let seen = tenancy.inspect(&path, &mapping).unwrap();
    assert!(seen.adoptable, "{seen}");
    let adopted = tenancy
        .adopt(
            &id("TH001"),
            new(),
            &path,
            &mapping,
            &AdoptOptions::default(),
        )
        .unwrap();
    assert_eq!(everything(&home), before);
    assert_eq!(adopted.inspection, seen);
    let ignored: Vec<_> = seen
        .ignored
        .iter()
        .map(|left| left.table.as_str())
        .collect();
    assert_eq!(
        ignored,
        [
            "auth_permission",
            "django_celery_beat_crontabschedule",
            "django_content_type",
            "django_migrations"
        ]
    );
    let left: Vec<_> = seen
        .left_over
        .iter()
        .map(|left| (left.table.as_str(), left.rows))
        .collect();
    assert_eq!(
        left,
        [("billing_servicecategory", 1), ("contact_contact", 1)]
    );
    let of = |table: &str| seen.tables.iter().find(|fit| fit.to == table).unwrap();
    assert_eq!(
        (of("appointments").taken, of("appointments").skipped),
        (2, 1)
    );
    assert_eq!(
        of("appointments").too_long,
        [("appointment_number".to_owned(), 2)]
    );
    assert_eq!(
        of("appointments").cleared,
        [("previous_appointment_id".to_owned(), 1)]
    );
    assert_eq!(of("patients").unresolved, [("registered_by".to_owned(), 2)]);

    let mut ctx = adopted.tenant.enter().unwrap();
    let joined = appointments::table
        .inner_join(patients::table)
        .order(appointments::number);
    let rows = joined
        .select((
            patients::given_name,
            appointments::fee,
            appointments::starts_at,
        ))
        .load::<(String, diesel_tenants::money::Money, chrono::NaiveDateTime)>(&mut ctx)
        .unwrap();
    let shown: Vec<_> = rows
        .iter()
        .map(|(name, fee, at)| format!("{name} {} {at}", fee.0))
        .collect();
    assert_eq!(
        shown,
        [
            "Ada 9995 2026-04-18 09:15:00",
            "Бен 10000 2026-04-18 09:45:00"
        ]
    );
    let mut lines = |sql: &str| {
        let lines = ctx
            .unrouted("look", |raw| diesel::sql_query(sql).load::<Line>(raw))
            .unwrap();
        lines.into_iter().map(|row| row.line).collect::<Vec<_>>()
    };
    for (sql, wanted) in [
        (
            "SELECT lower(hex(id)) || ' ' || sex || ' ' || coalesce(email, '-') || ' ' || coalesce(address, '-') || ' ' || created_at AS line FROM patients ORDER BY number",
            &[
                "0a1b2c3d4e5f60718293a4b5c6d7e8f9 female ada@example.org Street 1, Floor 2 2025-08-16 10:00:00.654321",
                "1a1b2c3d4e5f60718293a4b5c6d7e8f9 male - Street 2 2025-08-17 10:00:00",
                "2a1b2c3d4e5f60718293a4b5c6d7e8f9 unknown - - 2025-08-18 10:00:00",
            ][..],
        ),
        (
            "SELECT s.kind || ' ' || s.given_name || ' ' || coalesce(d.number, '-') AS line FROM staff_members s LEFT JOIN doctors d ON d.staff_member_id = s.id ORDER BY 1",
            &[
                "doctor Amina DR-2025-0A1B2C3D",
                "doctor Jonas LIC-2",
                "support Rosa -",
            ],
        ),
        (
            "SELECT weekday || ' ' || starts_at AS line FROM doctor_schedules ORDER BY 1",
            &["1 08:00:00", "7 09:00:00"],
        ),
        (
            "SELECT d.name || ' ' || s.salary AS line FROM staff_members s JOIN departments d ON d.id = s.department_id",
            &["Emergency 245050"],
        ),
        (
            "SELECT tax_basis_points || ' ' || total_amount || ' ' || paid_amount || ' ' || state || ' ' || notes AS line FROM invoices",
            &["1900 23844 10000 partially_paid call"],
        ),
        (
            "SELECT i.description || ' ' || i.unit_price || ' ' || coalesce(s.code, '-') AS line FROM invoice_items i LEFT JOIN services s ON s.id = i.service_id ORDER BY 1",
            &["Consultation 15047 -", "Electrocardiogram 4990 ECG"],
        ),
        (
            "SELECT payment_method || ' ' || amount || ' ' || reference AS line FROM payments",
            &["card 10000 tx-1"],
        ),
        // 0.105 is half-way between two cents, and goes to the even one.
        (
            "SELECT m.code || ' ' || m.cost_price || ' ' || c.name || ' ' || f.code || ' ' || lower(hex(m.created_by)) AS line FROM medicines m JOIN drug_categories c ON c.id = m.drug_category_id JOIN manufacturers f ON f.id = m.manufacturer_id",
            &["MED-000001 10 Analgesics MKR 99000000000000000000000000000001"],
        ),
        (
            "SELECT sale_number || ' ' || net_amount || ' ' || lower(hex(hospital_id)) AS line FROM pharmacy_sales",
            &["TH001-SALE-20260418-00001 268 77000000000000000000000000000001"],
        ),
        (
            "SELECT quantity || ' ' || total_amount AS line FROM pharmacy_sale_items",
            &["2 250"],
        ),
        (
            "SELECT from_state || ' ' || to_state AS line FROM appointment_events",
            &["scheduled completed"],
        ),
        (
            "SELECT (SELECT registered_by FROM patients WHERE registered_by IS NOT NULL LIMIT 1) = (SELECT processed_by FROM payments) AS line",
            &["1"],
        ),
    ] {
        assert_eq!(lines(sql), wanted, "{sql}");
    }
    drop(ctx);

    // The same file under the same id gives the same keys, and under another one others, but for UUIDs and users.
    let once = dump_of(&tenancy, "TH001");
    let elsewhere = crate::hospital::open(&dir.path().join("elsewhere"));
    elsewhere
        .adopt(
            &id("th001"),
            new(),
            &path,
            &mapping,
            &AdoptOptions::default(),
        )
        .unwrap();
    assert_eq!(dump_of(&elsewhere, "TH001"), once);
    elsewhere
        .adopt(
            &id("TH002"),
            new(),
            &path,
            &mapping,
            &AdoptOptions::default(),
        )
        .unwrap();
    let other = dump_of(&elsewhere, "TH002");
    assert_eq!(
        (&other["patients"], &other["payments"]),
        (&once["patients"], &once["payments"])
    );
    assert_ne!(other["doctors"], once["doctors"]);
}

/// The columns and words of the shipped mapping are those of the model, also for tables the file of the test has not.
#[test]
fn the_shipped_mapping_fits_the_model() {
    let mapping: Mapping = HOSPITAL.parse().unwrap();
    let known: Vec<&str> = ROUTES.iter().map(|route| route.table()).collect();
    for (from, to) in mapping.tables() {
        assert!(known.contains(&to), "{from} -> {to}");
    }
}

#[test]
fn a_conversion_tells_what_does_not_fit() {
    let inspection = reasons(
        "CREATE TABLE people (id integer PRIMARY KEY, name text, ward text);
         INSERT INTO people VALUES (1, 'x', '1'), (2, 'y', '2 '), (3, 'z', '3,5');",
        "[[table]]\nfrom = \"people\"\nto = \"patients\"\ncolumns = { id = { from = \"ward\", as = \"integer\" } }",
    );
    let [
        Reason::Values {
            misfit: Misfit::NotANumber,
            rows: 1,
            first: 3,
            ..
        },
    ] = &inspection.reasons[..]
    else {
        panic!("{inspection}");
    };
    assert_eq!(inspection.tables[0].converted, ["id"]);
}
