//! What is decided about people while a hospital is registered, closed or opened again, and what is entered of it.
use diesel::connection::SimpleConnection;
use diesel_tenants::Retention;
use diesel_tenants::access::Principal;
use diesel_tenants::audit::AuditFilter;
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::{hospitals, tenant_access, users};
use diesel_tenants::models::shared::accounts::{Hospital, Role, User};
use diesel_tenants::models::shared::subscriptions::BillingCycle;
use diesel_tenants::models::tenant::patients::Sex;
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, NewAccount, SessionToken};
use diesel_tenants::services::admission::{AccountWanted, Admissions, PatientDetails};
use diesel_tenants::services::hospitals as hospitals_service;
use diesel_tenants::services::now;
use diesel_tenants::services::onboarding::{
    OnboardingError, Registered, deregister, register, reopen,
};
use diesel_tenants::services::subscriptions::{self, SubscriptionError};

use super::onboarding::{CODE, ask, asked, counts, hospital, id, key, settled, whole, with_plans};
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

const CLOSED: Option<&str> = Some("the hospital was closed");
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

/// A membership that was revoked while its hospital was closed came back with it.
#[test]
fn what_is_decided_while_a_hospital_is_closed_holds() {
    let service = by_a_clerk();
    let (tenancy, accounts) = (&service.tenancy, &service.accounts);
    let made: Registered = ask(tenancy, None, &asked(CODE)).unwrap();
    let (north, owner) = (made.hospital, made.owner.user);
    let (bea, session) = logged_in(&service, "Bea", north);
    let ben = nurse(&service, "Ben", north);
    let gone = nurse(&service, "Gil", north);
    let shared = &mut service.shared();
    assert!(accounts.revoke_membership(shared, gone, north).unwrap());
    let mut seen = 0;
    entered(&service, &mut seen);
    deregister(tenancy, &id(), CODE, Retention::days(90)).unwrap();
    let mut expected = [bea, ben, owner].map(|user| entry("account.revoke", user, CLOSED));
    expected.sort();
    assert_eq!(entered(&service, &mut seen), expected);

    assert!(accounts.revoke_membership(shared, ben, north).unwrap());
    assert!(
        !accounts.revoke_membership(shared, ben, north).unwrap(),
        "again"
    );
    assert!(!accounts.revoke_membership(shared, gone, north).unwrap());
    assert_eq!(
        entered(&service, &mut seen),
        [entry("account.revoke", ben, None)]
    );
    for user in [bea, ben, gone] {
        let closed = accounts.grant(shared, user, north, Role::Doctor, now());
        assert!(
            matches!(closed, Err(AccountError::HospitalClosed)),
            "{closed:?}"
        );
    }
    let late = NewAccount::new("Lee", "x", "lee@example.org").member_of(north, Role::Nurse);
    let closed = accounts.create(shared, &late, now());
    assert!(
        matches!(closed, Err(AccountError::HospitalClosed)),
        "{closed:?}"
    );
    let closed = subscriptions::order(shared, north, "basic", BillingCycle::Monthly, now());
    assert!(
        matches!(closed, Err(SubscriptionError::HospitalClosed)),
        "{closed:?}"
    );
    assert_eq!(entered(&service, &mut seen), []);

    reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
    settled(tenancy);
    let mut role = |user| accounts.role_in(shared, user, north).unwrap();
    assert_eq!(
        [owner, bea, ben, gone].map(&mut role),
        [Some(Role::HospitalAdmin), Some(Role::Nurse), None, None]
    );
    let mut expected = [bea, owner].map(|user| entry("account.grant", user, None));
    expected.sort();
    assert_eq!(entered(&service, &mut seen), expected);
    assert!(
        !good(&service, &session, Some(north)),
        "it was over when the hospital was closed"
    );

    // What is granted now is no remainder of the closing, and is not taken for one the next time.
    accounts
        .grant(shared, ben, north, Role::Doctor, now())
        .unwrap();
    accounts.revoke_membership(shared, ben, north).unwrap();
    deregister(tenancy, &id(), CODE, Retention::days(90)).unwrap();
    reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
    assert_eq!(accounts.role_in(shared, ben, north).unwrap(), None);
}

/// Whoever had given their password a moment before was logged in to a hospital that was closed.
#[test]
fn no_session_begins_or_is_good_in_a_hospital_that_is_closed() {
    let service = by_a_clerk();
    let (tenancy, accounts) = (&service.tenancy, &service.accounts);
    let north = ask(tenancy, None, &asked(CODE)).unwrap().hospital;
    let (bea, session) = logged_in(&service, "Bea", north);
    let shared = &mut service.shared();
    let password = accounts.reset_password(shared, bea, now()).unwrap();
    let login = accounts.log_in(shared, "bea.x.nurse", password.reveal(), None, now());
    let login = login.unwrap();
    let begin = |hospital| {
        let shared = &mut service.shared();
        accounts.begin_session(shared, &login, hospital, None, None, now())
    };
    let here = begin(Some(north)).unwrap();
    assert!(!good(&service, &session, Some(north)) && good(&service, &here, Some(north)));

    deregister(tenancy, &id(), CODE, Retention::days(90)).unwrap();
    let closed = begin(Some(north));
    assert!(
        matches!(closed, Err(AccountError::HospitalClosed)),
        "{closed:?}"
    );
    let unknown = begin(Some(Id::new()));
    assert!(
        matches!(unknown, Err(AccountError::UnknownHospital)),
        "{unknown:?}"
    );
    // She is somebody still, who works elsewhere or will.
    let of_service = begin(None).unwrap();
    // One that was begun by a program that does not look.
    sql(&service, "UPDATE sessions SET revoked_at = NULL");
    assert!(!good(&service, &here, Some(north)) && good(&service, &of_service, None));

    reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
    let again = begin(Some(north)).unwrap();
    assert!(good(&service, &again, Some(north)));
}

/// A subscription that somebody wrote by hand failed the run after the deletion had been taken back, and nobody knew
/// until when the data was kept.
#[test]
fn what_is_in_the_way_of_opening_again_is_told_before_anything_is_done() {
    let service = by_a_clerk();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    deregister(tenancy, &id(), CODE, Retention::days(90)).unwrap();
    sql(&service, "UPDATE subscriptions SET state = 'active'");
    let exists = reopen(tenancy, &id(), "basic", BillingCycle::Monthly);
    assert!(
        matches!(
            exists,
            Err(OnboardingError::Subscription(
                SubscriptionError::Exists { .. }
            ))
        ),
        "{exists:?}"
    );
    let record = tenancy.handle(&id()).unwrap().record().unwrap();
    assert!(record.delete_after.is_some(), "the deletion was taken back");
    assert!(hospital(tenancy).closed_at.is_some());
}

/// All came back, however few the plan that was chosen allows.
#[test]
fn more_members_than_the_plan_allows_do_not_come_back() {
    let service = by_a_clerk();
    let (tenancy, accounts) = (&service.tenancy, &service.accounts);
    let north = ask(tenancy, None, &asked(CODE)).unwrap().hospital;
    let [bea, _ben, off] = ["Bea", "Ben", "Off"].map(|name| nurse(&service, name, north));
    let shared = &mut service.shared();
    let patient = NewAccount::new("Pat", "x", "pat@example.org").member_of(north, Role::Patient);
    accounts.create(shared, &patient, now()).unwrap();
    diesel::update(users::table.find(off))
        .set(users::active.eq(false))
        .execute(shared)
        .unwrap();
    deregister(tenancy, &id(), CODE, Retention::days(90)).unwrap();
    let kept = || tenancy.handle(&id()).unwrap().record().unwrap();
    let until = kept().delete_after;
    sql(
        &service,
        "UPDATE plans SET max_users = 2 WHERE code = 'basic'",
    );
    // The owner, Bea and Ben: neither a patient nor an account that is switched off counts.
    let many = reopen(tenancy, &id(), "basic", BillingCycle::Monthly);
    assert!(
        matches!(
            many,
            Err(OnboardingError::TooManyUsers {
                found: 3,
                limit: 2,
                ..
            })
        ),
        "{many:?}"
    );
    assert!(until.is_some() && kept().delete_after == until);
    assert!(hospital(tenancy).closed_at.is_some());
    settled(tenancy);

    // As many as it allows do.
    assert!(accounts.revoke_membership(shared, bea, north).unwrap());
    reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
    settled(tenancy);
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

    // One who had left becomes a member for as long as the run lasts, and the hospital is closed meanwhile.
    let ben = nurse(&service, "Ben", north);
    let shared = &mut service.shared();
    accounts.revoke_membership(shared, ben, north).unwrap();
    entered(&service, &mut seen);
    sql(
        &service,
        "CREATE TRIGGER meanwhile AFTER UPDATE OF active ON tenant_access WHEN NEW.active BEGIN \
           UPDATE tenant_access SET active = FALSE, closed_with_hospital = TRUE WHERE id = NEW.id; END",
    );
    admit("Ben", AccountWanted::of(ben)).unwrap_err();
    assert_eq!(
        entered(&service, &mut seen),
        [
            entry("account.grant", ben, None),
            entry("account.revoke", ben, UNDONE)
        ]
    );
    let kept = tenant_access::table
        .filter(tenant_access::user_id.eq(ben))
        .select((tenant_access::active, tenant_access::closed_with_hospital));
    let kept: (bool, bool) = kept.first(shared).unwrap();
    assert_eq!(kept, (false, false), "it would come back with the hospital");
    assert!(tenancy.verify_audit().unwrap().is_intact());
}

/// That the hospital had not become the tenant was nobody's business.
#[test]
fn a_hospital_that_somebody_bound_elsewhere_meanwhile_is_told() {
    let service = by_a_clerk();
    let tenancy = &service.tenancy;
    sql(
        &service,
        "CREATE TRIGGER meanwhile AFTER INSERT ON hospitals BEGIN \
           UPDATE hospitals SET tenant_uuid = randomblob(16) WHERE id = NEW.id; END",
    );
    let wanted = asked(CODE);
    let again = || register(tenancy, &quick_accounts(), key("k"), &wanted);
    for error in [again().unwrap_err(), again().unwrap_err()] {
        assert!(
            matches!(&error, OnboardingError::NotBound { code } if *code == id()),
            "{error:?}"
        );
        assert!(error.is_retryable());
    }
    let [left] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is left");
    };
    assert_eq!(left.name, "register-hospital");
    assert_eq!(tenancy.recover().unwrap(), 0, "nothing has changed");
    // It is being registered: whoever looks for lost hospitals is not told of it.
    assert_eq!(hospitals_service::astray(tenancy).unwrap(), []);

    hospitals_service::rebind(tenancy, CODE, &id(), CODE).unwrap();
    let made = again().unwrap();
    settled(tenancy);
    assert_eq!(counts(tenancy), whole(1));
    let uuid = tenancy.handle(&id()).unwrap().uuid();
    let bound = hospitals_service::of_tenant(&mut service.shared(), uuid).unwrap();
    assert_eq!(bound, Some(made.hospital));
    let rows = hospitals::table
        .count()
        .get_result::<i64>(&mut service.shared());
    assert_eq!(rows.unwrap(), 1);
}
