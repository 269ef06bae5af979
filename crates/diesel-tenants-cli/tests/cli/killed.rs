//! Hospitals' workflows whose process was killed in the middle: `doctor` lists them, and the program they belong to ends
//! them when it is started next.
use std::process::{Command, Stdio};

use diesel_tenants::Tenancy;
use diesel_tenants::models::tenant::patients::Sex;
use diesel_tenants::services::accounts::Accounts;
use diesel_tenants::services::admission::{AccountWanted, Admission, Admissions, PatientDetails};
use diesel_tenants::services::onboarding::{self, Registration};
use diesel_tenants::services::{now, subscriptions};
use diesel_tenants::workflow::IdempotencyKey;

use crate::program::Place;

/// Set in the process that plays the program of the hospitals: what it is to do.
const PART: &str = "TENANTS_TEST_PART";
const DATA: &str = "TENANTS_TEST_DATA";

/// The program of the hospitals: it recovers its workflows when it starts.
fn application(data: &std::path::Path) -> Tenancy {
    use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};

    let builder = Tenancy::builder(&ROUTES)
        .sqlite(data)
        .init()
        .shared_migrations(SHARED_MIGRATIONS)
        .tenant_migrations(TENANT_MIGRATIONS)
        .workflow(Admission::default());
    onboarding::workflows(builder).open().expect("it opens")
}

fn key() -> Option<IdempotencyKey> {
    Some("k".parse().expect("a key"))
}

fn register(tenancy: &Tenancy, code: &str) {
    let shared = &mut tenancy.shared().expect("the shared database opens");
    subscriptions::ensure_plans(shared, now()).expect("there are plans");
    let lower = code.to_lowercase();
    let email = format!("nora@{lower}.example");
    let asked = Registration::new(code, code, &lower, "Nora", "North", email);
    let made = onboarding::register(tenancy, &Accounts::default(), key(), &asked);
    made.expect("it is registered");
}

fn admit(tenancy: &Tenancy) {
    let born = chrono::NaiveDate::from_ymd_opt(1990, 5, 17).expect("a day");
    let patient = PatientDetails::named("Ada", "Lovelace", born, Sex::Female);
    let account = AccountWanted::new("ada@north.example");
    let hospital = "NORTH".parse().expect("an id");
    let admitted = Admissions::default().admit(tenancy, &hospital, key(), patient, account, now());
    admitted.expect("she is admitted");
}

/// Not a test: what the process does that is killed. Nothing where it is not asked for.
#[test]
fn plays_its_part() {
    let (Some(part), Some(data)) = (std::env::var_os(PART), std::env::var_os(DATA)) else {
        return;
    };
    let tenancy = application(data.as_ref());
    match part.to_str() {
        Some("register") => register(&tenancy, "SOUTH"),
        Some("admit") => admit(&tenancy),
        other => panic!("{other:?}"),
    }
}

/// Has a process do this, and kills it at this step.
fn killed(place: &Place, part: &str, step: &str) {
    use std::os::unix::process::ExitStatusExt;

    let program = std::env::current_exe().expect("this program has a file");
    let ended = Command::new(program)
        .args(["--exact", "killed::plays_its_part"])
        .env(PART, part)
        .env(DATA, place.data())
        .env("DIESEL_TENANTS_FAILPOINT", format!("{step}=kill"))
        .stdout(Stdio::null())
        .status()
        .expect("it runs");
    assert_eq!(ended.signal(), Some(9), "{part} did not get to {step}");
}

/// What `doctor` lists as unfinished: its kind and the tenant.
fn unfinished(place: &Place) -> Vec<(String, String)> {
    let (document, _) = place.json(["doctor"]);
    let findings = document["findings"].as_array().expect("a list").iter();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
    findings
        .map(|it| (text(&it["kind"]), text(&it["tenant"])))
        .filter(|(kind, _)| ["unfinished", "workflow", "run", "reserved"].contains(&&**kind))
        .collect()
}

#[test]
fn doctor_lists_what_a_killed_program_left_until_it_is_started_again() {
    for (part, step) in [
        ("admit", "workflow.tenant-step"),
        ("register", "workflow.shared-step"),
        ("register", "workflow.created"),
    ] {
        let place = Place::empty();
        let tenancy = application(&place.data());
        register(&tenancy, "NORTH");
        drop(tenancy);
        assert_eq!(unfinished(&place), [], "{part} {step}");
        killed(&place, part, step);
        let left = unfinished(&place);
        assert!(
            left.iter().any(|(kind, _)| kind == "workflow"),
            "{part} {step}: {left:?}"
        );

        let tenancy = application(&place.data());
        assert_eq!(unfinished(&place), [], "{part} {step}");
        // Nor is anything in the way of asking again.
        match part {
            "admit" => admit(&tenancy),
            _ => register(&tenancy, "SOUTH"),
        }
        assert_eq!(unfinished(&place), [], "{part} {step}");
    }
}
