//! What is decided about people while a hospital is registered, closed or opened again, and what is entered of it.
use diesel::connection::SimpleConnection;
use diesel_tenants::access::Principal;
use diesel_tenants::audit::AuditFilter;
use diesel_tenants::id::Id;
use diesel_tenants::models::shared::accounts::{Hospital, Role, User};
use diesel_tenants::models::tenant::patients::Sex;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{NewAccount, SessionToken};
use diesel_tenants::services::admission::{AccountWanted, Admissions, PatientDetails};
use diesel_tenants::services::now;
use diesel_tenants::services::onboarding::OnboardingError;

use super::onboarding::{CODE, ask, asked, counts, id, settled, with_plans};
use super::{Service, quick_accounts};

/// Somebody who works in a hospital.
fn nurse(service: &Service, name: &str, hospital: Id<Hospital>) -> Id<User> {
    let new = NewAccount::new(name, "x", format!("{name}@example.org"));
    let new = new.member_of(hospital, Role::Nurse);
    let made = service.accounts.create(&mut service.shared(), &new, now());
    made.unwrap().user
}

/// Somebody who works in a hospital and is logged in there.
fn logged_in(service: &Service, name: &str, hospital: Id<Hospital>) -> (Id<User>, SessionToken) {
    let shared = &mut service.shared();
    let user = nurse(service, name, hospital);
    let password = service
        .accounts
        .reset_password(shared, user, now())
        .unwrap();
    let username = format!("{}.x.nurse", name.to_lowercase());
    let login = service
        .accounts
        .log_in(shared, &username, password.reveal(), None, now())
        .unwrap();
    let session = service
        .accounts
        .begin_session(shared, &login, Some(hospital), None, None, now());
    (user, session.unwrap())
}

fn good(service: &Service, token: &SessionToken, hospital: Option<Id<Hospital>>) -> bool {
    let shared = &mut service.shared();
    let found = service.accounts.signed_in(shared, token, hospital, now());
    found.unwrap().is_some()
}

fn sql(service: &Service, sql: &str) {
    let mut shared = service.shared();
    let done = shared.unrouted("stand in the way", |raw| {
        raw.connection().batch_execute(sql)
    });
    done.unwrap();
}

/// What was entered of accounts and hospitals since an entry: what, of whom, why, by whom. And the number of the last one.
fn entered(
    service: &Service,
    after: &mut u64,
) -> Vec<(String, Option<uuid::Uuid>, Option<String>, String)> {
    let entries = service
        .tenancy
        .audit_entries(&AuditFilter::all().after(*after), 1_000)
        .unwrap();
    *after = entries.last().map_or(*after, |entry| entry.seq);
    let ours = entries.into_iter().filter(|entry| {
        ["account.", "hospital."]
            .iter()
            .any(|ours| entry.action.starts_with(ours))
    });
    let mut told: Vec<_> = ours
        .map(|entry| {
            let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap();
            let why = detail["why"].as_str().map(str::to_owned);
            (entry.action, entry.subject, why, entry.actor)
        })
        .collect();
    // The rows are in no order.
    told.sort();
    told
}

fn entry(
    action: &str,
    whom: Id<User>,
    why: Option<&str>,
) -> (String, Option<uuid::Uuid>, Option<String>, String) {
    let why = why.map(str::to_owned);
    (
        action.to_owned(),
        Some(*whom.as_uuid()),
        why,
        "user:clerk".to_owned(),
    )
}

const UNDONE: Option<&str> = Some("the run that gave it was undone");

/// Everything below is done by this clerk.
fn by_a_clerk() -> Service {
    let mut service = with_plans();
    let clerk = Principal::user("user:clerk".parse().unwrap());
    service.tenancy = service.tenancy.acting_as(clerk);
    service
}

/// A session of the hospital became one of the service itself, such as its console.
#[test]
fn what_came_into_a_registration_ends_with_it_and_is_entered() {
    let service = by_a_clerk();
    let tenancy = &service.tenancy;
    tenancy
        .create(
            &"ALONE".parse().unwrap(),
            NewTenant::named("x").subdomain("lonely"),
        )
        .unwrap();
    let other = service.hospital_row("OTHER");
    let (bea, session) = logged_in(&service, "Bea", other);
    let mut seen = 0;
    entered(&service, &mut seen);
    // Before the registration fails, Bea becomes a member of the new hospital and is logged in there.
    let meanwhile = "CREATE TRIGGER meanwhile AFTER INSERT ON profiles BEGIN \
           INSERT INTO tenant_access (id, user_id, hospital_id, role, is_default, created_at) \
             SELECT randomblob(16), user_id, (SELECT id FROM hospitals WHERE code = 'NORTH'), 'nurse', FALSE, '2026-01-01' \
               FROM sessions; \
           UPDATE sessions SET hospital_id = (SELECT id FROM hospitals WHERE code = 'NORTH'); \
         END";
    sql(&service, meanwhile);
    let mut wanted = asked(CODE);
    wanted.subdomain = "lonely".to_owned();
    let taken = ask(tenancy, None, &wanted).unwrap_err();
    assert!(
        matches!(taken, OnboardingError::SubdomainTaken { .. }),
        "{taken:?}"
    );
    settled(tenancy);
    assert_eq!(counts(tenancy)[..4], [1, 1, 1, 1], "OTHER and Bea are left");
    assert!(
        !good(&service, &session, None),
        "a session of the hospital is one of the console"
    );

    let told = entered(&service, &mut seen);
    let owner = told
        .iter()
        .find(|(what, ..)| what == "account.create")
        .unwrap()
        .1
        .unwrap();
    let owner = Id::from_uuid(owner);
    let mut expected = vec![
        entry("account.create", owner, None),
        entry("account.grant", owner, None),
        entry("account.remove", owner, None),
        entry("account.revoke", bea, UNDONE),
        entry("account.revoke", owner, UNDONE),
    ];
    expected.sort();
    assert_eq!(told, expected);
}

/// The same verbs called directly had left entries.
#[test]
fn what_an_admission_does_to_accounts_is_entered_and_so_is_its_undoing() {
    let service = by_a_clerk();
    let (tenancy, accounts) = (&service.tenancy, &service.accounts);
    let north = ask(tenancy, None, &asked(CODE)).unwrap().hospital;
    let admit = |name: &str, account| {
        let born = chrono::NaiveDate::from_ymd_opt(1990, 5, 17).unwrap();
        let patient = PatientDetails::named(name, "x", born, Sex::Female);
        Admissions::new(quick_accounts()).admit(tenancy, &id(), None, patient, account, now())
    };
    let mut seen = 0;
    entered(&service, &mut seen);
    let admitted = admit("Ada", AccountWanted::new("ada@example.org")).unwrap();
    let ada = admitted.account.unwrap().user;
    assert_eq!(
        entered(&service, &mut seen),
        [
            entry("account.create", ada, None),
            entry("account.grant", ada, None)
        ]
    );

    let refusing =
        "CREATE TRIGGER refusing BEFORE INSERT ON patients BEGIN SELECT RAISE(ABORT, 'no'); END";
    let mut inside = tenancy.tenant(&id()).unwrap();
    let done = inside.unrouted("stand in the way", |raw| {
        raw.connection().batch_execute(refusing)
    });
    done.unwrap();
    drop(inside);
    admit("Lee", AccountWanted::new("lee@example.org")).unwrap_err();
    let told = entered(&service, &mut seen);
    let actions: Vec<&str> = told.iter().map(|(what, ..)| what.as_str()).collect();
    assert_eq!(
        actions,
        ["account.create", "account.grant", "account.remove"]
    );
    assert!(
        told.iter()
            .all(|(_, whom, ..)| *whom == told[0].1 && whom.is_some())
    );

    // One who had left becomes a member for as long as the run lasts.
    let ben = nurse(&service, "Ben", north);
    let shared = &mut service.shared();
    accounts.revoke_membership(shared, ben, north).unwrap();
    entered(&service, &mut seen);
    admit("Ben", AccountWanted::of(ben)).unwrap_err();
    assert_eq!(
        entered(&service, &mut seen),
        [
            entry("account.grant", ben, None),
            entry("account.revoke", ben, UNDONE)
        ]
    );
    assert!(tenancy.verify_audit().unwrap().is_intact());
}
