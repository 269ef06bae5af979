//! Taking people in: a record in the hospital's database, an account in the shared one, both or neither.
use std::collections::BTreeSet;

use chrono::NaiveDate;
use diesel::connection::SimpleConnection;
use diesel_tenants::error::WorkflowError;
use diesel_tenants::id::{Id, SharedRef};
use diesel_tenants::models::schema::shared::{plans, profiles, tenant_access, users};
use diesel_tenants::models::schema::tenant::{doctors, patients, staff_members};
use diesel_tenants::models::shared::accounts::{Hospital, Role, User};
use diesel_tenants::models::shared::subscriptions::{BillingCycle, SubscriptionState};
use diesel_tenants::models::tenant::patients::{Patient, Sex};
use diesel_tenants::models::tenant::staff::StaffKind;
use diesel_tenants::money::Money;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, NewAccount};
use diesel_tenants::services::admission::{
    AccountWanted, AdmissionError, Admissions, Admitted, BadField, DoctorDetails, PatientDetails,
    Person, StaffDetails,
};
use diesel_tenants::services::hospitals as hospitals_service;
use diesel_tenants::services::subscriptions::{self, Limited, SubscriptionError};
use diesel_tenants::workflow::IdempotencyKey;

use super::{Service, at, hospital_row, open, quick_accounts, service, today};

mod fields;
mod killed;
mod linked;
mod numbers;
pub(super) use killed::play;

const CODE: &str = "DMC001";

fn id() -> TenantId {
    CODE.parse().unwrap()
}

fn key(key: &str) -> Option<IdempotencyKey> {
    Some(key.parse().unwrap())
}

fn admissions() -> Admissions {
    Admissions::new(quick_accounts())
}

fn born() -> NaiveDate {
    NaiveDate::from_ymd_opt(1990, 5, 17).unwrap()
}

fn patient(given: &str, family: &str) -> PatientDetails {
    PatientDetails::named(given, family, born(), Sex::Female)
}

fn admit(
    tenancy: &Tenancy,
    key: Option<IdempotencyKey>,
    patient: PatientDetails,
    account: AccountWanted,
) -> Result<Admitted, AdmissionError> {
    admissions().admit(tenancy, &id(), key, patient, account, at(60))
}

/// A hospital on a trial of this plan.
fn with_trial(tenancy: &Tenancy, code: &str, plan: &str) -> Id<Hospital> {
    tenancy
        .create(&code.parse().unwrap(), NewTenant::named(code))
        .unwrap();
    let shared = &mut tenancy.shared().unwrap();
    let hospital = hospital_row(shared, code);
    let uuid = tenancy.handle(&code.parse().unwrap()).unwrap().uuid();
    assert!(hospitals_service::bind(shared, hospital, uuid, at(0)).unwrap());
    subscriptions::ensure_plans(shared, at(0)).unwrap();
    subscriptions::start_trial(shared, hospital, plan, BillingCycle::Monthly, at(0)).unwrap();
    hospital
}

fn hospital() -> (Service, Id<Hospital>) {
    let service = service();
    let hospital = with_trial(&service.tenancy, CODE, "enterprise");
    (service, hospital)
}

fn row(tenancy: &Tenancy, patient: Id<Patient>) -> Patient {
    let ctx = &mut tenancy.tenant(&id()).unwrap();
    let row = patients::table.find(patient).select(Patient::as_select());
    row.first(ctx).unwrap()
}

/// The numbers of a hospital's patients, in the order in which they were committed.
fn numbers(tenancy: &Tenancy, code: &str) -> Vec<String> {
    let ctx = &mut tenancy.tenant(&code.parse().unwrap()).unwrap();
    patients::table
        .select(patients::number)
        .order(diesel::dsl::sql::<diesel::sql_types::BigInt>("rowid"))
        .load(ctx)
        .unwrap()
}

fn numbered(code: &str, count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("{code}-PAT-{n:06}")).collect()
}

/// Both sides or neither, of every person of a hospital: who has a record with an account is a member with a profile, and
/// who is a member has a record. Returns how many patients and members of staff have accounts.
fn agreed(tenancy: &Tenancy, code: &str) -> (usize, usize) {
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    let ctx = &mut tenancy.tenant(&code.parse().unwrap()).unwrap();
    let linked = patients::user_id.is_not_null();
    let of_patients: Vec<Option<SharedRef<User>>> = patients::table
        .filter(linked)
        .select(patients::user_id)
        .load(ctx)
        .unwrap();
    let linked = staff_members::user_id.is_not_null();
    let of_staff: Vec<Option<SharedRef<User>>> = staff_members::table
        .filter(linked)
        .select(staff_members::user_id)
        .load(ctx)
        .unwrap();
    let counts = (of_patients.len(), of_staff.len());
    let linked: BTreeSet<Id<User>> = of_patients
        .into_iter()
        .chain(of_staff)
        .flatten()
        .map(SharedRef::id)
        .collect();
    let shared = &mut tenancy.shared().unwrap();
    use diesel_tenants::models::schema::shared::hospitals;
    let members: Vec<Id<User>> = tenant_access::table
        .inner_join(hospitals::table)
        .inner_join(users::table.inner_join(profiles::table))
        .filter(hospitals::code.eq(code))
        .filter(tenant_access::active.eq(true))
        .select(users::id)
        .load(shared)
        .unwrap();
    assert_eq!(
        linked,
        members.into_iter().collect(),
        "the two databases disagree"
    );
    // Nobody is left who is nowhere a member but for those the tests begin with.
    let all: i64 = users::table.count().get_result(shared).unwrap();
    let profiled: i64 = profiles::table.count().get_result(shared).unwrap();
    assert_eq!(all, profiled);
    counts
}

fn admit_ada(tenancy: &Tenancy) -> Admitted {
    let wanted = AccountWanted::new("ada@example.org");
    admit(tenancy, key("k"), patient("Ada", "Lovelace"), wanted).unwrap()
}

fn doctor() -> StaffDetails {
    let mut doctor = StaffDetails::named(StaffKind::Doctor, "Gregor", "Haus", today());
    doctor.doctor = Some(DoctorDetails {
        specialization: "Diagnostics".into(),
        license_number: "LIC-1".into(),
        qualification: None,
        consultation_fee: Money(45_00),
    });
    doctor
}

/// Lets the insert of whoever is called `Refused` fail, after the number was taken.
fn refuse_refused(tenancy: &Tenancy, code: &str) {
    let ctx = &mut tenancy.tenant(&code.parse().unwrap()).unwrap();
    ctx.unrouted("play a rule that refuses", |raw| {
        raw.connection().batch_execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON patients WHEN NEW.family_name = 'Refused' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
        )
    })
    .unwrap();
}

#[test]
fn a_patient_is_admitted_with_an_account_or_without() {
    let (service, hospital) = hospital();
    let tenancy = &service.tenancy;
    let mut ada = patient("  Ada ", "O'Brien & \"Söhne\" 医院 🏥");
    ada.phone = Some("   ".into());
    ada.allergies = Some("cats\ndogs ".into());
    ada.email = Some("Ada@Example.ORG".into());
    let without = admit(tenancy, None, ada.clone(), AccountWanted::None).unwrap();
    assert_eq!(without.number, "DMC001-PAT-000001");
    assert!(without.account.is_none());
    let written = row(tenancy, without.patient);
    assert_eq!(
        (
            &*written.given_name,
            &*written.family_name,
            written.phone,
            written.user_id
        ),
        ("Ada", "O'Brien & \"Söhne\" 医院 🏥", None, None)
    );
    assert_eq!(written.allergies.as_deref(), Some("cats\ndogs"));
    assert_eq!(written.email.as_deref(), Some("ada@example.org"));
    assert_eq!(written.created_at, at(60));

    let wanted = AccountWanted::new(" Ada@Example.org");
    let with = admit(tenancy, None, patient("Ada", "Lovelace"), wanted).unwrap();
    assert_eq!(with.number, "DMC001-PAT-000002");
    let account = with.account.unwrap();
    assert_eq!(account.username, "ada.lovelace.patient");
    let password = account.password.unwrap();
    assert_eq!(password.reveal().len(), 12);
    assert_eq!(
        row(tenancy, with.patient).user_id.map(SharedRef::id),
        Some(account.user)
    );
    let shared = &mut service.shared();
    let accounts = &service.accounts;
    let login = accounts.log_in(shared, &account.username, password.reveal(), None, at(61));
    assert!(login.unwrap().must_change_password);
    assert_eq!(
        accounts.role_in(shared, account.user, hospital).unwrap(),
        Some(Role::Patient)
    );
    assert_eq!(agreed(tenancy, CODE), (1, 0));
}

/// The answer to a key: the same record, the same account, and the password only to who made it.
#[test]
fn the_same_key_gives_the_same_record_and_no_password() {
    let (service, _) = hospital();
    let tenancy = &service.tenancy;
    let ask = |name: &str, wanted: AccountWanted, key_of: &str| {
        // Later, and by another process: neither changes the request.
        let other = open(&service.root);
        let later = at(3600);
        admissions().admit(
            &other,
            &id(),
            key(key_of),
            patient(name, "L"),
            wanted,
            later,
        )
    };
    let first = admit(
        tenancy,
        key("k"),
        patient("Ada", "L"),
        AccountWanted::new("a@example.org"),
    )
    .unwrap();
    let password = first.account.unwrap().password.unwrap();
    let again = ask("Ada", AccountWanted::new("A@example.org"), "k").unwrap();
    assert_eq!(
        (again.patient, &again.number),
        (first.patient, &first.number)
    );
    assert!(again.account.unwrap().password.is_none());
    // The key of somebody without an account counts, too.
    let without = admit(tenancy, key("l"), patient("Ben", "L"), AccountWanted::None).unwrap();
    let again = ask("Ben", AccountWanted::None, "l").unwrap();
    assert_eq!(again.patient, without.patient);
    assert_eq!(numbers(tenancy, CODE), numbered(CODE, 2));
    // Another request under the key is none.
    let error = ask("Eve", AccountWanted::new("a@example.org"), "k").unwrap_err();
    let reused = matches!(&error, AdmissionError::Workflow(error)
        if matches!(**error, WorkflowError::KeyReused { .. }));
    assert!(reused, "{error:?}");

    // Nobody finds the password, in either database, in any of their files.
    let mut files = 0;
    let mut directories = vec![service.root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            files += 1;
            let bytes = std::fs::read(&path).unwrap();
            let needle = password.reveal().as_bytes();
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{}", path.display());
        }
    }
    assert!(files >= 3, "{files}");
}

#[test]
fn what_fails_leaves_no_account_no_record_and_no_gap() {
    let (service, hospital) = hospital();
    let tenancy = &service.tenancy;
    refuse_refused(tenancy, CODE);
    let taken = AccountWanted::new("taken@example.org");
    admit(tenancy, None, patient("Ada", "First"), taken.clone()).unwrap();
    let wanted = || AccountWanted::new("new@example.org");
    let refused = |patient, account| admit(tenancy, key("k"), patient, account).unwrap_err();

    let error = refused(patient("Ada", "Second"), taken);
    let email = matches!(error, AdmissionError::Account(AccountError::EmailTaken));
    assert!(email, "{error:?}");
    let error = refused(patient("Ada", "Refused"), wanted());
    assert!(matches!(error, AdmissionError::Query(_)), "{error:?}");
    let error = refused(patient("Ada", "Second"), AccountWanted::of(Id::new()));
    let unknown = matches!(error, AdmissionError::Account(AccountError::UnknownUser));
    assert!(unknown, "{error:?}");
    tenancy.suspend(&id()).unwrap();
    let error = refused(patient("Ada", "Second"), wanted());
    assert!(matches!(error, AdmissionError::Open(_)), "{error:?}");
    let error = refused(patient("Ada", "Second"), AccountWanted::None);
    assert!(matches!(error, AdmissionError::Open(_)), "{error:?}");
    tenancy.resume(&id()).unwrap();
    assert_eq!(agreed(tenancy, CODE), (1, 0));

    // The subscription.
    let shared = &mut service.shared();
    let suspended = SubscriptionState::Suspended;
    subscriptions::change_state(shared, hospital, suspended, at(60)).unwrap();
    for wanted in [wanted(), AccountWanted::None] {
        let error = refused(patient("Ada", "Second"), wanted);
        let inactive = matches!(
            error,
            AdmissionError::Subscription(SubscriptionError::Inactive { .. })
        );
        assert!(inactive, "{error:?}");
    }
    let active = SubscriptionState::Active;
    subscriptions::change_state(shared, hospital, active, at(60)).unwrap();
    let nowhere = "NOWHERE".parse().unwrap();
    let (ada, none) = (patient("Ada", "Second"), AccountWanted::None);
    let error = admissions().admit(tenancy, &nowhere, None, ada, none, at(60));
    let unknown = matches!(
        error,
        Err(AdmissionError::Account(AccountError::UnknownHospital))
    );
    assert!(unknown, "{error:?}");

    // The key is free still, and no number is gone.
    let second = admit(tenancy, key("k"), patient("Ada", "Second"), wanted()).unwrap();
    assert_eq!(second.number, "DMC001-PAT-000002");
    assert_eq!(agreed(tenancy, CODE), (2, 0));
}

#[test]
fn the_plans_limits_hold_where_rows_are_made() {
    let (service, _) = hospital();
    let tenancy = &service.tenancy;
    let shared = &mut service.shared();
    diesel::update(plans::table.filter(plans::code.eq("enterprise")))
        .set((
            plans::max_patients.eq(2),
            plans::max_doctors.eq(1),
            plans::max_users.eq(1),
        ))
        .execute(shared)
        .unwrap();
    // Of those who come at once, as many get in as there is room for.
    let limits = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..6)
            .map(|n| {
                scope.spawn(move || {
                    let wanted = match n % 2 {
                        0 => AccountWanted::None,
                        _ => AccountWanted::new(format!("{n}@example.org")),
                    };
                    admit(tenancy, None, patient("Ada", "L"), wanted).map_err(|e| e.limit())
                })
            })
            .collect();
        let results = threads.into_iter().map(|thread| thread.join().unwrap());
        results.filter_map(Result::err).collect::<Vec<_>>()
    });
    assert_eq!(limits.len(), 4);
    for limit in limits {
        let limit = limit.expect("the limit is what is in the way");
        assert_eq!(
            (limit.what, limit.limit, limit.found),
            (Limited::Patients, 2, 2)
        );
    }
    assert_eq!(numbers(tenancy, CODE), numbered(CODE, 2));
    let (patients_with, _) = agreed(tenancy, CODE);

    let hire = |n: usize, details, role| {
        let wanted = AccountWanted::new(format!("staff{n}@example.org"));
        admissions().hire(tenancy, &id(), None, details, wanted, role, at(60))
    };
    hire(0, doctor(), Role::Doctor).unwrap();
    // One member who is no patient, and one doctor, is all there may be.
    let nurse = StaffDetails::named(StaffKind::Nurse, "Nan", "Nurse", today());
    let error = hire(1, nurse.clone(), Role::Nurse).unwrap_err();
    assert_eq!(error.limit().map(|limit| limit.what), Some(Limited::Users));
    let error = admissions()
        .hire(
            tenancy,
            &id(),
            None,
            doctor(),
            AccountWanted::None,
            Role::Doctor,
            at(60),
        )
        .unwrap_err();
    assert_eq!(
        error.limit().map(|limit| limit.what),
        Some(Limited::Doctors)
    );
    // Without an account a nurse is no user.
    let hired = admissions()
        .hire(
            tenancy,
            &id(),
            None,
            nurse,
            AccountWanted::None,
            Role::Nurse,
            at(60),
        )
        .unwrap();
    assert_eq!(hired.number, "DMC001-EMP-0002");
    assert_eq!(agreed(tenancy, CODE), (patients_with, 1));
}

/// The names and texts of section C of the bad inputs, and what is told of them: which, and by how much.
#[test]
fn what_cannot_be_is_refused_before_anything_is_begun() {
    let (service, _) = hospital();
    let tenancy = &service.tenancy;
    const CANARY: &str = "CANARY-Jane-Roe";
    let with = |adjust: fn(&mut PatientDetails)| {
        let mut details = patient(CANARY, CANARY);
        details.address = Some(CANARY.into());
        adjust(&mut details);
        details
    };
    let cases: [(PatientDetails, &str); 12] = [
        (
            with(|p| p.given_name.clear()),
            "the given name has 0 characters",
        ),
        (
            with(|p| p.family_name = " \u{a0}\t".into()),
            "the family name has 0 characters",
        ),
        (
            with(|p| p.given_name = "a".repeat(10_000)),
            "the given name has 10000 characters",
        ),
        (
            with(|p| p.given_name = "ö".repeat(101)),
            "the given name has 101 characters",
        ),
        (with(|p| p.given_name.push_str("\0x")), "U+0000"),
        (with(|p| p.family_name.push_str("\nx")), "U+000A"),
        (with(|p| p.family_name.push_str("\u{1b}[31m")), "U+001B"),
        (with(|p| p.phone = Some("1\x002".into())), "the telephone"),
        (with(|p| p.allergies = Some("\0".into())), "the allergies"),
        (
            with(|p| p.medical_history = Some("x".repeat(10_001))),
            "the history has 10001",
        ),
        (
            with(|p| p.birth_date = today() + chrono::Days::new(2)),
            "the day of birth",
        ),
        (
            with(|p| p.birth_date = NaiveDate::from_ymd_opt(1800, 1, 1).unwrap()),
            "the day of birth",
        ),
    ];
    let mut printed = format!("{:?}", with(|_| {}));
    for (details, says) in cases {
        let wanted = AccountWanted::new("CANARY@example.org");
        printed += &format!("{wanted:?}");
        for wanted in [wanted, AccountWanted::None] {
            let error = admit(tenancy, key("k"), details.clone(), wanted).unwrap_err();
            assert!(matches!(error, AdmissionError::Field(_)), "{error:?}");
            assert!(error.to_string().contains(says), "{says}: {error}");
            printed += &format!("{error} {error:?}");
        }
    }
    for email in ["CANARY", "CANARY@", "CANARY\0@example.org"] {
        let wanted = AccountWanted::new(email);
        let error = admit(tenancy, key("k"), patient("Ada", "L"), wanted).unwrap_err();
        let bad = matches!(error, AdmissionError::Account(AccountError::BadEmail));
        assert!(bad, "{error:?}");
        printed += &format!("{error} {error:?}");
    }
    let field = BadField::Negative { field: "the fee" };
    let mut unpaid = doctor();
    unpaid.doctor.as_mut().unwrap().consultation_fee = Money(-1);
    printed += &format!("{unpaid:?}");
    let (none, role) = (AccountWanted::None, Role::Doctor);
    let error = admissions().hire(tenancy, &id(), None, unpaid, none, role, at(60));
    assert!(matches!(error, Err(AdmissionError::Field(found)) if found == field));
    // What fails in the databases does not say what was given, either.
    refuse_refused(tenancy, CODE);
    let mut refused = patient(CANARY, "Refused");
    refused.address = Some(CANARY.into());
    let wanted = AccountWanted::new("CANARY@example.org");
    let error = admit(tenancy, key("CANARY"), refused, wanted).unwrap_err();
    printed += &format!("{error} {error:?} {:?}", source_of(&error));
    assert!(!printed.contains("CANARY"), "{printed}");
    assert_eq!(numbers(tenancy, CODE), [""; 0]);
    let users: i64 = users::table
        .count()
        .get_result(&mut service.shared())
        .unwrap();
    assert_eq!(users, 0);
}

fn source_of(error: &AdmissionError) -> String {
    std::error::Error::source(error).map_or(String::new(), |source| format!("{source} {source:?}"))
}

/// A library that does not know the workflow begins none, and says what is missing.
#[test]
fn without_the_workflow_nobody_is_half_admitted() {
    let (service, _) = hospital();
    let stranger = Tenancy::<SqliteConnection>::builder(&diesel_tenants::models::ROUTES)
        .sqlite(&service.root)
        .shared_migrations(diesel_tenants::models::SHARED_MIGRATIONS)
        .tenant_migrations(diesel_tenants::models::TENANT_MIGRATIONS)
        .open()
        .unwrap();
    let wanted = AccountWanted::new("a@example.org");
    let error = admit(&stranger, None, patient("Ada", "L"), wanted).unwrap_err();
    assert!(error.to_string().contains("Builder::workflow"), "{error}");
    assert_eq!(agreed(&service.tenancy, CODE), (0, 0));
}
