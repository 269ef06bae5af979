//! Taking people in: a record in the hospital's database, an account in the shared one, both or neither.
use std::collections::BTreeSet;
use std::path::Path;

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
use crate::actors::{Actor, say, told};
use crate::crashes::{self, Operation, Program};

mod fields;
mod linked;

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

// Crashes.

const DMC001: Program = Program {
    open: "open the hospital",
    check: |root| {
        let tenancy = open(root);
        assert_eq!(
            tenancy.recover().unwrap(),
            0,
            "recovery is not done after one run"
        );
        assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
        assert!(tenancy.verify_audit().unwrap().is_intact());
        let sound = tenancy.verify(&id(), &Default::default()).unwrap();
        assert!(sound.reasons.is_empty(), "{sound:?}");
        tenancy
    },
};

/// A hospital with one patient, who has no account, and a user who is nowhere a member.
fn with_one_patient(root: &Path) {
    let tenancy = open(root);
    with_trial(&tenancy, CODE, "enterprise");
    admit(
        &tenancy,
        None,
        patient("First", "Patient"),
        AccountWanted::None,
    )
    .unwrap();
    let new = NewAccount::new("Otto", "Other", "otto@example.org");
    let shared = &mut tenancy.shared().unwrap();
    quick_accounts().create(shared, &new, at(0)).unwrap();
}

fn admit_ada(tenancy: &Tenancy) -> Admitted {
    let wanted = AccountWanted::new("ada@example.org");
    admit(tenancy, key("k"), patient("Ada", "Lovelace"), wanted).unwrap()
}

fn first_patient(tenancy: &Tenancy) -> Id<Patient> {
    let first = patients::table.select(patients::id).order(patients::number);
    first.first(&mut tenancy.tenant(&id()).unwrap()).unwrap()
}

/// Somebody's account from elsewhere, for the patient who is there.
fn link_otto(tenancy: &Tenancy) {
    let otto = users::table.filter(users::email.eq("otto@example.org"));
    let otto = otto.select(users::id).first(&mut tenancy.shared().unwrap());
    let (person, wanted) = (
        Person::Patient(first_patient(tenancy)),
        AccountWanted::of(otto.unwrap()),
    );
    let given = admissions().give_account(
        tenancy,
        &id(),
        key("k"),
        person,
        wanted,
        Role::Patient,
        at(60),
    );
    assert!(given.unwrap().unwrap().password.is_none());
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

fn hire_gregor(tenancy: &Tenancy) -> String {
    let wanted = AccountWanted::new("gregor@example.org");
    let hired = admissions()
        .hire(
            tenancy,
            &id(),
            key("k"),
            doctor(),
            wanted,
            Role::Doctor,
            at(60),
        )
        .unwrap();
    assert!(hired.doctor.is_some());
    hired.number
}

const ADMIT: Operation = Operation {
    part: "admit a patient with an account",
    before: with_one_patient,
    outcome: |tenancy| {
        let done = agreed(tenancy, CODE) == (1, 0);
        let admitted = admit_ada(tenancy);
        // The password is told by the run that made it, once.
        assert_eq!(admitted.account.unwrap().password.is_some(), !done);
        assert!(admit_ada(tenancy).account.unwrap().password.is_none());
        assert_eq!(admitted.number, "DMC001-PAT-000002");
        assert_eq!(agreed(tenancy, CODE), (1, 0));
        assert_eq!(numbers(tenancy, CODE), numbered(CODE, 2));
        done
    },
};

const HIRE: Operation = Operation {
    part: "hire a doctor with an account",
    before: with_one_patient,
    outcome: |tenancy| {
        let done = agreed(tenancy, CODE) == (0, 1);
        assert_eq!(hire_gregor(tenancy), "DMC001-EMP-0001");
        let doctors: i64 = doctors::table
            .count()
            .get_result(&mut tenancy.tenant(&id()).unwrap())
            .unwrap();
        assert_eq!((agreed(tenancy, CODE), doctors), ((0, 1), 1));
        done
    },
};

const LINK: Operation = Operation {
    part: "give a patient an account that is there",
    before: with_one_patient,
    outcome: |tenancy| {
        let done = agreed(tenancy, CODE) == (1, 0);
        link_otto(tenancy);
        assert_eq!(agreed(tenancy, CODE), (1, 0));
        done
    },
};

/// The parts other processes play here.
pub(super) fn play(part: &str, root: &Path) -> bool {
    let tenancy = || open(root);
    match part {
        "open the hospital" => drop(tenancy()),
        "admit a patient with an account" => drop(admit_ada(&tenancy())),
        "hire a doctor with an account" => drop(hire_gregor(&tenancy())),
        "give a patient an account that is there" => link_otto(&tenancy()),
        // Admits, when told `hospital key`, under that key, with an account; says what it was answered.
        "admit under the key that is told" => {
            let tenancy = tenancy();
            say("ready");
            loop {
                let word = told();
                let Some((code, word)) = word.split_once(' ') else {
                    return true;
                };
                let code = code.parse().unwrap();
                let answer = loop {
                    let wanted = AccountWanted::new(format!("{word}@example.org"));
                    let patient = patient("Ada", "Lovelace");
                    match admissions().admit(&tenancy, &code, key(word), patient, wanted, at(60)) {
                        Ok(admitted) => break admitted,
                        Err(error) if error.is_retryable() => std::thread::yield_now(),
                        Err(other) => panic!("{other:?}"),
                    }
                };
                let account = answer.account.unwrap();
                let told = account.password.is_some();
                say(format!("{} {} {told}", answer.number, account.username));
            }
        }
        // Admits so many without accounts, into the hospital that is named.
        "admit many when told" => {
            let tenancy = tenancy();
            say("ready");
            let word = told();
            let (code, count) = word.split_once(' ').unwrap();
            let code = code.parse().unwrap();
            for _ in 0..count.parse::<usize>().unwrap() {
                let none = AccountWanted::None;
                admissions()
                    .admit(&tenancy, &code, None, patient("A", "B"), none, at(60))
                    .unwrap();
            }
            say("done");
        }
        _ => return false,
    }
    true
}

#[cfg(feature = "failpoints")]
mod failpoints {
    use super::*;

    #[test]
    fn admission_at_every_step() {
        crashes::failpoints::every_step_of(&DMC001, &ADMIT, 4);
    }

    #[test]
    fn hiring_at_every_step() {
        crashes::failpoints::many_steps_of(&DMC001, &HIRE, 4);
    }

    #[test]
    fn giving_an_account_at_every_step() {
        crashes::failpoints::many_steps_of(&DMC001, &LINK, 4);
    }
}

#[test]
fn killed_at_any_system_call_it_is_both_sides_or_neither() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_at_system_calls_of(&DMC001, &ADMIT);
    assert!(kills >= 8, "{kills}: the sweep did not get far");
}

#[test]
fn of_two_processes_with_one_key_one_admits_and_one_tells_the_password() {
    let service = service();
    let codes = ["NORTH", "SOUTH", "WEST"];
    for code in codes {
        with_trial(&service.tenancy, code, "enterprise");
    }
    let mut processes =
        [0, 1].map(|_| Actor::spawn("admit under the key that is told", &service.root));
    for process in &mut processes {
        assert_eq!(process.hear().unwrap(), "ready");
    }
    let mut usernames = BTreeSet::new();
    for round in 0..12 {
        let code = codes[round % 3];
        let word = format!("{code} key-{round}");
        processes.iter_mut().for_each(|process| process.tell(&word));
        let answers = processes.each_mut().map(|process| process.hear().unwrap());
        let parts = answers
            .each_ref()
            .map(|answer| answer.rsplit_once(' ').unwrap());
        assert_eq!(parts[0].0, parts[1].0, "{word}");
        assert_eq!(
            parts
                .iter()
                .filter(|(_, password)| *password == "true")
                .count(),
            1,
            "{answers:?}"
        );
        let (number, username) = parts[0].0.split_once(' ').unwrap();
        assert_eq!(number, format!("{code}-PAT-{:06}", round / 3 + 1));
        assert!(usernames.insert(username.to_owned()), "{username} twice");
    }
    for code in codes {
        assert_eq!(agreed(&service.tenancy, code), (4, 0));
        assert_eq!(numbers(&service.tenancy, code), numbered(code, 4));
    }
}

// Numbers.

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

/// Threads that admit at once, every ninth of theirs rolled back with its number taken: the numbers of those who were
/// admitted are in the order of the commits, without a gap.
#[test]
fn threads_never_share_a_number_nor_leave_one_out() {
    const THREADS: usize = 8;
    let each = match std::env::var("DIESEL_TENANTS_SWEEP").as_deref() {
        Ok("full") => 1_000,
        _ => 125,
    };
    let (service, _) = hospital();
    let tenancy = &service.tenancy;
    refuse_refused(tenancy, CODE);
    let began = std::time::Instant::now();
    let given: Vec<String> = std::thread::scope(|scope| {
        let admit_some = |_| {
            let mut given = Vec::new();
            let mut attempt = 0;
            while given.len() < each {
                attempt += 1;
                let refused = attempt % 9 == 0;
                let family = if refused { "Refused" } else { "Admitted" };
                match admit(tenancy, None, patient("A", family), AccountWanted::None) {
                    Ok(admitted) => given.push(admitted.number),
                    Err(AdmissionError::Query(_)) if refused => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            given
        };
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || admit_some(thread)))
            .collect();
        let each = threads.into_iter().map(|thread| thread.join().unwrap());
        each.flatten().collect()
    });
    println!("{} admissions in {:?}", given.len(), began.elapsed());
    assert_eq!(given.len(), THREADS * each);
    let distinct: BTreeSet<String> = given.into_iter().collect();
    let expected = numbered(CODE, THREADS * each);
    assert!(distinct.into_iter().eq(expected.iter().cloned()));
    assert_eq!(numbers(tenancy, CODE), expected);
}

/// Two processes and several hospitals at once: each hospital counts for itself.
#[test]
fn processes_and_hospitals_count_side_by_side() {
    const EACH: usize = 40;
    let service = service();
    let codes = ["NORTH", "SOUTH", "WEST"];
    for code in codes {
        with_trial(&service.tenancy, code, "enterprise");
    }
    // Two for each hospital.
    let mut processes: Vec<(&str, Actor)> = codes
        .iter()
        .chain(&codes)
        .map(|code| (*code, Actor::spawn("admit many when told", &service.root)))
        .collect();
    for (_, process) in &mut processes {
        assert_eq!(process.hear().unwrap(), "ready");
    }
    for (code, process) in &mut processes {
        process.tell(&format!("{code} {EACH}"));
    }
    for (code, process) in &mut processes {
        assert_eq!(process.hear().as_deref(), Some("done"), "{code}");
    }
    for code in codes {
        assert_eq!(numbers(&service.tenancy, code), numbered(code, 2 * EACH));
    }
}

/// Threads that admit people of one name with accounts, in three hospitals: nobody shares a user name or a number.
#[test]
fn threads_that_make_accounts_agree_on_both_sides() {
    const EACH: usize = 8;
    let service = service();
    let codes = ["NORTH", "SOUTH", "WEST"];
    for code in codes {
        with_trial(&service.tenancy, code, "enterprise");
        refuse_refused(&service.tenancy, code);
    }
    let tenancy = &service.tenancy;
    std::thread::scope(|scope| {
        for thread in 0..6 {
            scope.spawn(move || {
                let code = codes[thread % 3].parse().unwrap();
                for n in 0..EACH {
                    let wanted = AccountWanted::new(format!("ada{thread}-{n}@example.org"));
                    let ada = patient("Ada", "Lovelace");
                    admissions()
                        .admit(tenancy, &code, None, ada, wanted, at(60))
                        .unwrap();
                    let wanted = AccountWanted::new(format!("no{thread}-{n}@example.org"));
                    let refused = patient("Ada", "Refused");
                    let error = admissions()
                        .admit(tenancy, &code, None, refused, wanted, at(60))
                        .unwrap_err();
                    assert!(matches!(error, AdmissionError::Query(_)), "{error:?}");
                }
            });
        }
    });
    for code in codes {
        assert_eq!(agreed(tenancy, code), (2 * EACH, 0));
        assert_eq!(numbers(tenancy, code), numbered(code, 2 * EACH));
    }
    let names = users::table.select(users::username).order(users::username);
    let names: Vec<String> = names.load(&mut tenancy.shared().unwrap()).unwrap();
    let made = 6 * EACH;
    let expected = (0..made).map(|n| match n {
        0 => "ada.lovelace.patient".to_owned(),
        n => format!("ada.lovelace.patient.{n}"),
    });
    let expected: BTreeSet<String> = expected.collect();
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), expected);
}

// What is made of what is given.

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

#[test]
fn an_account_that_is_there_is_linked_to_a_record_that_is_there() {
    let (service, hospital) = hospital();
    let tenancy = &service.tenancy;
    let accounts = &service.accounts;
    let shared = &mut service.shared();
    let mut user = |name: &str| {
        let new = NewAccount::new(name, "Elsewhere", format!("{name}@example.org"));
        accounts.create(shared, &new, at(0)).unwrap().user
    };
    let (ada, ben) = (user("ada"), user("ben"));
    let admitted = |name| {
        let admitted = admit(tenancy, None, patient(name, "Patient"), AccountWanted::None);
        Person::Patient(admitted.unwrap().patient)
    };
    let (first, second) = (admitted("First"), admitted("Second"));
    let give = |person, user, role| {
        let wanted = AccountWanted::of(user);
        admissions().give_account(tenancy, &id(), None, person, wanted, role, at(60))
    };
    let shared = &mut service.shared();
    let given = give(first, ada, Role::Patient).unwrap().unwrap();
    assert_eq!((given.user, given.password.is_none()), (ada, true));
    assert_eq!(
        accounts.role_in(shared, ada, hospital).unwrap(),
        Some(Role::Patient)
    );
    give(first, ada, Role::Patient).unwrap();
    // The record is somebody's; the user has another record. Neither becomes a member by being refused.
    let error = give(first, ben, Role::Patient).unwrap_err();
    let another = matches!(
        error,
        AdmissionError::Account(AccountError::LinkedToAnother)
    );
    assert!(another, "{error:?}");
    assert_eq!(accounts.role_in(shared, ben, hospital).unwrap(), None);
    let error = give(second, ada, Role::Patient).unwrap_err();
    let another = matches!(
        error,
        AdmissionError::Account(AccountError::UserLinked { .. })
    );
    assert!(another, "{error:?}");
    let error = give(Person::Patient(Id::new()), ben, Role::Patient).unwrap_err();
    let unknown = matches!(
        error,
        AdmissionError::Account(AccountError::UnknownRecord { .. })
    );
    assert!(unknown, "{error:?}");

    // A membership that was ended is as it was, where the link fails.
    accounts
        .grant(shared, ben, hospital, Role::Nurse, at(1))
        .unwrap();
    accounts.revoke_membership(shared, ben, hospital).unwrap();
    give(first, ben, Role::Patient).unwrap_err();
    let ended = tenant_access::table
        .filter(tenant_access::user_id.eq(ben))
        .select((tenant_access::role, tenant_access::active));
    let ended: (Role, bool) = ended.first(shared).unwrap();
    assert_eq!(ended, (Role::Nurse, false));

    // A doctor who is treated here stays a doctor.
    let hired = admissions()
        .hire(
            tenancy,
            &id(),
            None,
            doctor(),
            AccountWanted::None,
            Role::Doctor,
            at(60),
        )
        .unwrap();
    let person = Person::Doctor(hired.doctor.unwrap());
    give(person, ben, Role::Doctor).unwrap();
    give(second, ben, Role::Patient).unwrap();
    assert_eq!(
        accounts.role_in(shared, ben, hospital).unwrap(),
        Some(Role::Doctor)
    );
    // And somebody who has a record gets an account of their own name.
    let nurse = StaffDetails::named(StaffKind::Nurse, "Nan", "Nurse", today());
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
    let (person, wanted) = (
        Person::Staff(hired.staff),
        AccountWanted::new("nan@example.org"),
    );
    let given = admissions()
        .give_account(tenancy, &id(), None, person, wanted, Role::Nurse, at(60))
        .unwrap()
        .unwrap();
    assert_eq!(given.username, "nan.nurse.nurse");
    assert!(given.password.is_some());
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
