//! Hospitals as a whole: registered, put on another plan, closed, opened again; both databases or neither.
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel_tenants::Retention;
use diesel_tenants::error::{QuotaExceeded, WorkflowError};
use diesel_tenants::id::Id;
use diesel_tenants::models::schema::shared::{
    hospital_modules, hospitals, plans, profiles, sessions, subscriptions as subscription_rows,
    tenant_access, users,
};
use diesel_tenants::models::schema::tenant::settings;
use diesel_tenants::models::shared::accounts::{Hospital, Role};
use diesel_tenants::models::shared::subscriptions::{BillingCycle, PlanChanges, SubscriptionState};
use diesel_tenants::prelude::*;
use diesel_tenants::services::accounts::{AccountError, NewAccount};
use diesel_tenants::services::now;
use diesel_tenants::services::onboarding::{
    OnboardingError, Registered, Registration, apply_plan, change_plan, deregister, register,
    reopen,
};
use diesel_tenants::services::permissions::Module;
use diesel_tenants::services::subscriptions::{self, SubscriptionError};
use diesel_tenants::workflow::IdempotencyKey;

use super::{Service, open, quick_accounts, service};
use crate::actors::{Actor, say, told};
use crate::crashes::{self, Operation, Program};

pub(super) const CODE: &str = "NORTH";
const MB: u64 = 1_000_000;

pub(super) fn id() -> TenantId {
    CODE.parse().unwrap()
}

pub(super) fn key(key: &str) -> Option<IdempotencyKey> {
    Some(key.parse().unwrap())
}

pub(super) fn asked(code: &str) -> Registration {
    let lower = code.to_lowercase();
    let email = format!("nora@{lower}.example");
    Registration::new(
        code,
        format!("{code} Hospital"),
        lower,
        "Nora",
        "North",
        email,
    )
}

pub(super) fn ask(
    tenancy: &Tenancy,
    run_key: Option<IdempotencyKey>,
    asked: &Registration,
) -> Result<Registered, OnboardingError> {
    register(tenancy, &quick_accounts(), run_key, asked)
}

pub(super) fn with_plans() -> Service {
    let service = service();
    subscriptions::ensure_plans(&mut service.shared(), now()).unwrap();
    service
}

/// Rows of hospitals, users, profiles, memberships, subscriptions and modules; and tenants.
pub(super) fn counts(tenancy: &Tenancy) -> [i64; 7] {
    let shared = &mut tenancy.shared().unwrap();
    macro_rules! count {
        ($table:ident) => {
            $table::table.count().get_result::<i64>(shared).unwrap()
        };
    }
    [
        count!(hospitals),
        count!(users),
        count!(profiles),
        count!(tenant_access),
        count!(subscription_rows),
        count!(hospital_modules),
        tenancy.ids_ever_taken().unwrap().len() as i64,
    ]
}

/// Nothing but a tenant that is no hospital's, so that the template is made.
const ALONE: [i64; 7] = [0, 0, 0, 0, 0, 0, 1];

pub(super) fn whole(hospitals: i64) -> [i64; 7] {
    let modules = hospitals * Module::ALL.len() as i64;
    [
        hospitals, hospitals, hospitals, hospitals, hospitals, modules, hospitals,
    ]
}

/// Nothing is left to do.
pub(super) fn settled(tenancy: &Tenancy) {
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    assert_eq!(tenancy.unfinished().unwrap(), []);
    assert_eq!(tenancy.recover().unwrap(), 0);
    assert!(tenancy.verify_audit().unwrap().is_intact());
}

pub(super) fn hospital(tenancy: &Tenancy) -> Hospital {
    let row = hospitals::table.filter(hospitals::code.eq(CODE));
    let row = row.select(Hospital::as_select());
    row.first(&mut tenancy.shared().unwrap()).unwrap()
}

fn quota(tenancy: &Tenancy) -> Option<u64> {
    tenancy.usage(&id()).unwrap().quota
}

#[test]
fn a_hospital_is_registered_with_everything_it_needs() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    let mut wanted = asked(CODE);
    wanted.plan = "basic".to_owned();
    wanted.billing_cycle = BillingCycle::Yearly;
    wanted.city = Some("Lagos".to_owned());
    wanted.time_zone = "Africa/Lagos".to_owned();
    wanted.currency = "NGN".to_owned();
    let made = ask(tenancy, None, &wanted).unwrap();
    assert_eq!(counts(tenancy), whole(1));
    settled(tenancy);

    let row = hospital(tenancy);
    assert_eq!(row.id, made.hospital);
    assert_eq!(
        (
            row.name.as_str(),
            row.city.as_deref(),
            row.time_zone.as_str(),
            row.currency.as_str()
        ),
        ("NORTH Hospital", Some("Lagos"), "Africa/Lagos", "NGN")
    );
    let at = tenancy.handle_at(&made.subdomain).unwrap();
    assert_eq!(at.record().unwrap().plan.as_deref(), Some("basic"));
    // It is migrated, and the owner can work in it.
    let rows = settings::table.count();
    rows.get_result::<i64>(&mut at.enter().unwrap()).unwrap();

    let shared = &mut service.shared();
    let present = subscriptions::current(shared, made.hospital)
        .unwrap()
        .unwrap();
    assert_eq!(present.id, made.subscription);
    assert_eq!(
        (present.state, present.billing_cycle),
        (SubscriptionState::Trial, BillingCycle::Yearly)
    );
    assert_eq!(present.trial_ends_on, made.trial_ends_on);
    assert_eq!(
        (made.quota, quota(tenancy)),
        (Some(10_000 * MB), Some(10_000 * MB))
    );
    let paths: Vec<&str> = made.modules.iter().map(|link| link.path.as_str()).collect();
    assert!(
        paths.contains(&"/patients/") && !paths.contains(&"/surgery/"),
        "{paths:?}"
    );
    assert_eq!(paths.len(), subscriptions::modules_of("basic").len());

    assert_eq!(made.owner.username, "nora.north.hospital_admin");
    let role = service
        .accounts
        .role_in(shared, made.owner.user, made.hospital)
        .unwrap();
    assert_eq!(role, Some(Role::HospitalAdmin));
    let password = made.owner.password.unwrap();
    let login =
        service
            .accounts
            .log_in(shared, &made.owner.username, password.reveal(), None, now());
    assert!(login.unwrap().must_change_password);
}

#[test]
fn what_is_taken_or_wrong_is_refused_and_leaves_nothing() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    // One that is in the catalogue and in no table.
    tenancy
        .create(
            &"ALONE".parse().unwrap(),
            NewTenant::named("x").subdomain("lonely"),
        )
        .unwrap();
    let mut before = whole(1);
    before[6] += 1;
    let refused = |change: fn(&mut Registration)| {
        let mut wanted = asked("OTHER");
        change(&mut wanted);
        let error = ask(tenancy, None, &wanted).unwrap_err();
        assert_eq!(counts(tenancy), before, "{error}");
        settled(tenancy);
        assert!(!error.is_retryable(), "{error}");
        error
    };
    use OnboardingError as E;
    assert!(matches!(
        refused(|r| r.code = "NORTH".into()),
        E::CodeTaken { .. }
    ));
    // The same folder on a disk that does not tell cases apart.
    assert!(matches!(
        refused(|r| r.code = "north".into()),
        E::CodeTaken { .. }
    ));
    assert!(matches!(
        refused(|r| r.code = "ALONE".into()),
        E::CodeTaken { .. }
    ));
    assert!(matches!(
        refused(|r| r.subdomain = "North".into()),
        E::SubdomainTaken { .. }
    ));
    assert!(matches!(
        refused(|r| r.subdomain = "lonely".into()),
        E::SubdomainTaken { .. }
    ));
    let taken = refused(|r| r.email = "NORA@north.example".into());
    assert!(
        matches!(taken, E::Account(AccountError::EmailTaken)),
        "{taken:?}"
    );
    assert!(matches!(
        refused(|r| r.email = "nobody".into()),
        E::Account(AccountError::BadEmail)
    ));
    let unknown = refused(|r| r.plan = "gold".into());
    assert!(
        matches!(unknown, E::Subscription(SubscriptionError::UnknownPlan)),
        "{unknown:?}"
    );
    assert!(matches!(refused(|r| r.code = "..".into()), E::BadCode(_)));
    assert!(matches!(refused(|r| r.name = " ".into()), E::BadName(_)));
    assert!(matches!(
        refused(|r| r.subdomain = "..".into()),
        E::BadSubdomain(_)
    ));
    assert!(matches!(
        refused(|r| r.given_name = "".into()),
        E::Account(AccountError::BadName { .. })
    ));
    assert!(matches!(
        refused(|r| r.currency = "usd".into()),
        E::BadDetail {
            which: "the currency",
            ..
        }
    ));
    assert!(matches!(
        refused(|r| r.time_zone = "../etc".into()),
        E::BadDetail { .. }
    ));
    assert!(matches!(
        refused(|r| r.phone = Some("1\n2".into())),
        E::BadDetail { .. }
    ));
    // `_` is itself, and stands for no other letter.
    let mut like = asked("NOR_H");
    like.subdomain = "norxh".to_owned();
    like.email = "nora@norxh.example".to_owned();
    ask(tenancy, None, &like).unwrap();
}

#[test]
fn the_same_key_gives_the_same_hospital_and_a_new_password_until_the_first_log_in() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    let first = ask(tenancy, key("k"), &asked(CODE)).unwrap();
    let again = ask(tenancy, key("k"), &asked(CODE)).unwrap();
    assert_eq!(
        (first.hospital, first.owner.user),
        (again.hospital, again.owner.user)
    );
    assert_eq!(first.modules, again.modules);
    assert_eq!(counts(tenancy), whole(1));
    let (old, new) = (first.owner.password.unwrap(), again.owner.password.unwrap());
    assert_ne!(old, new);
    let shared = &mut service.shared();
    let mut log_in = |password: &str| {
        service
            .accounts
            .log_in(shared, &again.owner.username, password, None, now())
    };
    log_in(old.reveal()).unwrap_err();
    log_in(new.reveal()).unwrap();
    let third = ask(tenancy, key("k"), &asked(CODE)).unwrap();
    assert_eq!(third.owner.password, None);
    log_in(new.reveal()).unwrap();

    let mut other = asked(CODE);
    other.name = "Another Name".to_owned();
    let other = ask(tenancy, key("k"), &other).unwrap_err();
    assert!(
        matches!(&other, OnboardingError::Run(run) if matches!(**run, WorkflowError::KeyReused { .. })),
        "{other:?}"
    );
    // One that failed gives its key free.
    let mut wrong = asked("OTHER");
    wrong.email = "nora@north.example".to_owned();
    ask(tenancy, key("l"), &wrong).unwrap_err();
    ask(tenancy, key("l"), &asked("OTHER")).unwrap();
}

/// Nothing that the owner said, and no password, is in the journal, in errors or in `Debug` afterwards.
#[test]
fn what_was_given_is_in_no_journal_and_nothing_printed() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    let mut wanted = asked(CODE);
    wanted.given_name = "Canary".to_owned();
    wanted.email = "canary@north.example".to_owned();
    wanted.address = Some("1 Canary Street".to_owned());
    let made = ask(tenancy, key("k"), &wanted).unwrap();
    let password = made.owner.password.clone().unwrap();
    let again = ask(tenancy, None, &wanted).unwrap_err();
    let mut printed = format!("{wanted:?} {again} {again:?} {:?}", made.owner.password);
    let journal: Vec<Text> = service
        .shared()
        .unrouted("look into the journal", |raw| {
            diesel::sql_query(
                "SELECT quote(name) || quote(key) || quote(input) || quote(output) || quote(failure) AS text \
                   FROM __tenants_workflows \
                 UNION ALL SELECT quote(result) FROM __tenants_workflow_journal",
            )
            .load(raw)
        })
        .unwrap();
    assert!(journal.len() >= 3);
    printed.extend(journal.into_iter().map(|row| row.text));
    let folded = printed.to_lowercase();
    assert!(!folded.contains("canary"), "{printed}");
    assert!(!printed.contains(password.reveal()), "{printed}");
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

#[test]
fn the_plan_limits_the_database_from_the_first_day_and_when_it_changes() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    let shared = &mut service.shared();
    set_storage(shared, "basic", Some(2));
    let mut wanted = asked(CODE);
    wanted.plan = "basic".to_owned();
    let made = ask(tenancy, None, &wanted).unwrap();
    assert_eq!(quota(tenancy), Some(2 * MB));
    let full = fill(tenancy).unwrap_err();
    assert!(QuotaExceeded::of(&full).is_some(), "{full:?}");

    change_plan(tenancy, &id(), "premium", BillingCycle::Yearly).unwrap();
    settled(tenancy);
    let present = subscriptions::current(shared, made.hospital)
        .unwrap()
        .unwrap();
    assert_eq!(
        (present.id, present.billing_cycle),
        (made.subscription, BillingCycle::Yearly)
    );
    assert_eq!(present.price.0, 399_000);
    subscriptions::require_module(shared, made.hospital, Module::Surgery).unwrap();
    assert_eq!(quota(tenancy), Some(100_000 * MB));
    let record = tenancy.handle(&id()).unwrap().record().unwrap();
    assert_eq!(record.plan.as_deref(), Some("premium"));
    fill(tenancy).unwrap();

    // The plan itself is changed: one call for each hospital that is on it.
    set_storage(shared, "premium", None);
    assert_eq!(quota(tenancy), Some(100_000 * MB));
    assert_eq!(apply_plan(tenancy, &id()).unwrap(), None);
    assert_eq!(quota(tenancy), None);

    let unknown = change_plan(tenancy, &id(), "gold", BillingCycle::Monthly).unwrap_err();
    assert!(
        matches!(
            unknown,
            OnboardingError::Subscription(SubscriptionError::UnknownPlan)
        ),
        "{unknown:?}"
    );
    let nobody = change_plan(
        tenancy,
        &"NOBODY".parse().unwrap(),
        "basic",
        BillingCycle::Monthly,
    );
    assert!(
        matches!(nobody, Err(OnboardingError::UnknownHospital { .. })),
        "{nobody:?}"
    );
    settled(tenancy);
}

fn set_storage(shared: &mut SharedContext, plan: &str, megabytes: Option<i64>) {
    let changes = PlanChanges {
        max_storage_mb: Some(megabytes),
        ..Default::default()
    };
    diesel::update(plans::table.filter(plans::code.eq(plan)))
        .set(&changes)
        .execute(shared)
        .unwrap();
}

/// Three megabytes into the hospital's database.
fn fill(tenancy: &Tenancy) -> QueryResult<()> {
    let row = (
        settings::key.eq("filling"),
        settings::value.eq("x".repeat(3_000_000)),
        settings::updated_at.eq(now()),
    );
    diesel::insert_into(settings::table)
        .values(row)
        .execute(&mut tenancy.tenant(&id()).unwrap())
        .map(drop)
}

#[test]
fn a_hospital_is_closed_and_opened_again_with_its_people() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    let accounts = &service.accounts;
    let made = ask(tenancy, None, &asked(CODE)).unwrap();
    let other = ask(tenancy, None, &asked("OTHER")).unwrap();
    let shared = &mut service.shared();
    let person = |shared: &mut SharedContext, name: &str, hospital| {
        let new = NewAccount::new(name, "x", format!("{name}@example.org"));
        let made = accounts.create(shared, &new.member_of(hospital, Role::Nurse), now());
        let made = made.unwrap();
        let login = accounts.log_in(shared, &made.username, made.password.reveal(), None, now());
        login.unwrap()
    };
    let password = made.owner.password.as_ref().unwrap().reveal();
    let owner = accounts.log_in(shared, &made.owner.username, password, None, now());
    let owner = owner.unwrap();
    let both_login = person(shared, "both", made.hospital);
    let both = both_login.user;
    let gone = person(shared, "gone", made.hospital).user;
    accounts
        .grant(shared, both, other.hospital, Role::Doctor, now())
        .unwrap();
    accounts
        .revoke_membership(shared, gone, made.hospital)
        .unwrap();
    let mut session = |login, hospital| {
        accounts
            .begin_session(shared, login, hospital, None, None, now())
            .unwrap()
    };
    let owners = session(&owner, None);
    let here = session(&both_login, Some(made.hospital));
    let elsewhere = session(&both_login, Some(other.hospital));

    let early = deregister(tenancy, &id(), "north", Retention::days(90)).unwrap_err();
    assert!(
        matches!(early, OnboardingError::NotConfirmed { .. }),
        "{early:?}"
    );
    assert!(matches!(
        reopen(tenancy, &id(), "basic", BillingCycle::Monthly),
        Err(OnboardingError::NotClosed { .. })
    ));
    // Spelled otherwise it is the same hospital.
    let date = deregister(
        tenancy,
        &"north".parse().unwrap(),
        CODE,
        Retention::days(90),
    )
    .unwrap();
    let kept = date.duration_since(std::time::SystemTime::now()).unwrap();
    assert!(kept.as_secs() > 89 * 24 * 3600);
    settled(tenancy);
    assert!(hospital(tenancy).closed_at.is_some());
    assert_eq!(subscriptions::current(shared, made.hospital).unwrap(), None);
    let role =
        |shared: &mut SharedContext, user| accounts.role_in(shared, user, made.hospital).unwrap();
    assert_eq!(role(shared, made.owner.user), None);
    assert_eq!(role(shared, both), None);
    assert_eq!(accounts.memberships(shared, both).unwrap().len(), 1);
    let mut good = |token, hospital| {
        let session = accounts.signed_in(shared, token, hospital, now());
        session.unwrap().is_some()
    };
    assert_eq!(
        [
            good(&owners, None),
            good(&here, Some(made.hospital)),
            good(&elsewhere, Some(other.hospital))
        ],
        [false, false, true]
    );
    assert!(tenancy.tenant(&id()).is_err());
    let refused = tenancy.purge(&id(), CODE);
    assert!(refused.is_err(), "its data is kept");

    // Twice is as once, and the date stays.
    assert_eq!(
        deregister(tenancy, &id(), CODE, Retention::NONE).unwrap(),
        date
    );
    let closed = change_plan(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap_err();
    assert!(
        matches!(closed, OnboardingError::Closed { .. }),
        "{closed:?}"
    );
    let taken = ask(tenancy, None, &asked(CODE)).unwrap_err();
    assert!(
        matches!(taken, OnboardingError::CodeTaken { .. }),
        "{taken:?}"
    );

    let unknown = reopen(tenancy, &id(), "gold", BillingCycle::Monthly).unwrap_err();
    assert!(
        matches!(unknown, OnboardingError::Subscription(_)),
        "{unknown:?}"
    );
    reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
    settled(tenancy);
    assert_eq!(hospital(tenancy).closed_at, None);
    assert_eq!(role(shared, made.owner.user), Some(Role::HospitalAdmin));
    assert_eq!(role(shared, both), Some(Role::Nurse));
    assert_eq!(
        role(shared, gone),
        None,
        "who had left before does not come back"
    );
    let record = tenancy.handle(&id()).unwrap().record().unwrap();
    assert_eq!((record.status, record.delete_after), (Status::Active, None));
    assert_eq!(quota(tenancy), Some(10_000 * MB));
    let present = subscriptions::current(shared, made.hospital)
        .unwrap()
        .unwrap();
    assert_eq!(present.state, SubscriptionState::Pending);
    assert_eq!(hospital_other_untouched(shared, other.hospital), (1, 2));
}

/// Sessions that were ended, and memberships that count, of the hospital that nobody closed.
fn hospital_other_untouched(shared: &mut SharedContext, hospital: Id<Hospital>) -> (i64, i64) {
    let open = sessions::table
        .filter(sessions::hospital_id.eq(hospital))
        .filter(sessions::revoked_at.is_null())
        .count();
    let members = tenant_access::table
        .filter(tenant_access::hospital_id.eq(hospital))
        .filter(tenant_access::active.eq(true))
        .count();
    (
        open.get_result(shared).unwrap(),
        members.get_result(shared).unwrap(),
    )
}

#[test]
fn what_was_purged_is_not_opened_again_and_its_code_stays_taken() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    deregister(tenancy, &id(), CODE, Retention::NONE).unwrap();
    tenancy.purge(&id(), CODE).unwrap();
    deregister(tenancy, &id(), CODE, Retention::NONE).unwrap();
    let gone = reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap_err();
    assert!(matches!(gone, OnboardingError::Gone { .. }), "{gone:?}");
    let taken = ask(tenancy, None, &asked(CODE)).unwrap_err();
    assert!(
        matches!(taken, OnboardingError::CodeTaken { .. }),
        "{taken:?}"
    );
    settled(tenancy);
    let nobody = deregister(
        tenancy,
        &"NOBODY".parse().unwrap(),
        "NOBODY",
        Retention::NONE,
    );
    assert!(matches!(
        nobody,
        Err(OnboardingError::UnknownHospital { .. })
    ));
}

/// Deregisters while the catalogue takes no change of a tenant: the hospital is closed, its database is not.
pub(super) fn deregister_by_halves(service: &Service) -> OnboardingError {
    let raw = |sql: &str| {
        let mut shared = service.shared();
        let done = shared.unrouted("stand in the way", |raw| {
            raw.connection().batch_execute(sql)
        });
        done.unwrap();
    };
    raw("CREATE TRIGGER veto BEFORE UPDATE ON __tenants_tenants \
         BEGIN SELECT RAISE(ABORT, 'not now'); END");
    let retention = Retention::days(1);
    let error = deregister(&service.tenancy, &id(), CODE, retention).unwrap_err();
    raw("DROP TRIGGER veto");
    error
}

/// Past the commit the hospital is closed for its people, and what its database is in the way of is done later.
#[test]
fn a_database_that_cannot_be_closed_now_is_closed_later() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    let error = deregister_by_halves(&service);
    assert!(error.is_retryable(), "{error:?}");
    assert!(hospital(tenancy).closed_at.is_some());
    let [left] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is left");
    };
    assert_eq!(left.name, "deregister-hospital");
    assert_eq!(tenancy.recover().unwrap(), 1);
    settled(tenancy);
    assert!(closed(tenancy));
}

/// What was left to be closed had its id alone, and whoever had it by then would have been closed.
#[test]
fn what_is_left_to_be_closed_is_never_the_next_tenant_of_the_id() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    deregister_by_halves(&service);
    // Somebody does by hand what was left, and somebody else gets the id.
    tenancy.suspend(&id()).unwrap();
    tenancy.archive(&id()).unwrap();
    tenancy.delete(&id(), CODE, Retention::NONE).unwrap();
    tenancy.purge(&id(), CODE).unwrap();
    let next = NewTenant::named("Another").reuse_retired_id();
    let next = tenancy.create(&id(), next).unwrap();
    tenancy.recover().unwrap();
    let status = tenancy.handle(&id()).unwrap().record().unwrap().status;
    assert_eq!(status, diesel_tenants::Status::Active);
    next.enter().unwrap();
}

// Other processes.

/// The parts other processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    match part {
        "open the service" => {
            drop(open(root));
            say("opened");
        }
        "register" => {
            ask(&open(root), key("k"), &asked(CODE)).unwrap();
            say("registered");
        }
        "register what is taken" => {
            let mut wanted = asked(CODE);
            wanted.subdomain = "lonely".to_owned();
            let taken = ask(&open(root), key("k"), &wanted).unwrap_err();
            assert!(
                matches!(taken, OnboardingError::SubdomainTaken { .. }),
                "{taken:?}"
            );
            say("refused");
        }
        "deregister" => {
            deregister(&open(root), &id(), CODE, Retention::days(90)).unwrap();
            say("deregistered");
        }
        "reopen" => {
            reopen(&open(root), &id(), "basic", BillingCycle::Monthly).unwrap();
            say("reopened");
        }
        "change plan" => {
            change_plan(&open(root), &id(), "premium", BillingCycle::Monthly).unwrap();
            say("changed");
        }
        // Registers the code that is named, with a key where one is named, when told; says how it went.
        "register when told" => {
            let tenancy = open(root);
            say("ready");
            loop {
                let word = told();
                if word.is_empty() {
                    return true;
                }
                let (code, run_key) = word.split_once(' ').unwrap_or((&word, ""));
                let run_key = (!run_key.is_empty()).then(|| run_key.parse().unwrap());
                loop {
                    match ask(&tenancy, run_key.clone(), &asked(code)) {
                        Ok(made) => break say(made.hospital),
                        Err(OnboardingError::CodeTaken { .. }) => break say("taken"),
                        Err(error) if error.is_retryable() => std::thread::yield_now(),
                        Err(other) => break say(format!("{other:?}")),
                    }
                }
            }
        }
        _ => return false,
    }
    true
}

#[test]
fn of_two_processes_that_register_one_code_one_gets_it() {
    let service = with_plans();
    let mut processes = [0, 1].map(|_| Actor::spawn("register when told", &service.root));
    for process in &mut processes {
        assert_eq!(process.hear().unwrap(), "ready");
    }
    for round in 0..6 {
        let code = format!("ROUND{round}");
        processes.iter_mut().for_each(|process| process.tell(&code));
        let mut said = processes.each_mut().map(|process| process.hear().unwrap());
        said.sort();
        assert!(said[0].len() == 36 && said[1] == "taken", "{said:?}");
        assert_eq!(counts(&service.tenancy), whole(2 * round + 1));

        // With one key they are one request, and both are told.
        let code = format!("SHARED{round} key-{round}");
        processes.iter_mut().for_each(|process| process.tell(&code));
        let [one, other] = processes.each_mut().map(|process| process.hear().unwrap());
        assert_eq!(one, other);
        assert_eq!(one.len(), 36, "{one}");
        assert_eq!(counts(&service.tenancy), whole(2 * round + 2));
    }
    settled(&service.tenancy);
}

// Crashes.

const SERVICE: Program = Program {
    open: "open the service",
    check: |root| {
        let tenancy = open(root);
        settled(&tenancy);
        let tenants = tenancy.tenants().unwrap();
        for record in &tenants {
            assert!(
                matches!(record.status, Status::Active | Status::Archived),
                "{record:?}"
            );
        }
        let folders = std::fs::read_dir(root.join("tenants")).unwrap();
        let kept = folders.filter(|folder| {
            let path = folder.as_ref().unwrap().path();
            std::fs::read_dir(path).unwrap().next().is_some()
        });
        assert_eq!(kept.count(), tenants.len(), "a database is nobody's");
        tenancy
    },
};

fn plans_alone(root: &Path) {
    subscriptions::ensure_plans(&mut open(root).shared().unwrap(), now()).unwrap();
}

/// Making the template is no part of registering, and most of its system calls.
fn with_another(root: &Path) {
    plans_alone(root);
    let new = NewTenant::named("x").subdomain("lonely");
    open(root).create(&"ALONE".parse().unwrap(), new).unwrap();
}

fn beside_another(hospitals: i64) -> [i64; 7] {
    let mut all = whole(hospitals);
    all[6] += 1;
    all
}

fn with_hospital(root: &Path) {
    plans_alone(root);
    ask(&open(root), None, &asked(CODE)).unwrap();
}

const REGISTER: Operation = Operation {
    part: "register",
    before: with_another,
    outcome: |tenancy| {
        let before = counts(tenancy);
        assert!(before == ALONE || before == beside_another(1), "{before:?}");
        // Nobody was told the password, so asked for again it gives one that is good.
        let made = ask(tenancy, key("k"), &asked(CODE)).unwrap();
        assert_eq!(counts(tenancy), beside_another(1));
        let password = made.owner.password.unwrap();
        let shared = &mut tenancy.shared().unwrap();
        let accounts = quick_accounts();
        accounts
            .log_in(shared, &made.owner.username, password.reveal(), None, now())
            .unwrap();
        assert_eq!(quota(tenancy), made.quota);
        tenancy.tenant(&id()).unwrap();
        settled(tenancy);
        before != ALONE
    },
};

const REFUSED: Operation = Operation {
    part: "register what is taken",
    before: with_another,
    outcome: |tenancy| {
        assert_eq!(counts(tenancy), ALONE);
        false
    },
};

/// Whether the hospital is closed, on all sides.
pub(super) fn closed(tenancy: &Tenancy) -> bool {
    let closed = hospital(tenancy).closed_at.is_some();
    let record = tenancy.handle(&id()).unwrap().record().unwrap();
    let status = match closed {
        true => Status::Archived,
        false => Status::Active,
    };
    assert_eq!(
        (record.status, record.delete_after.is_some()),
        (status, closed)
    );
    let shared = &mut tenancy.shared().unwrap();
    let row = hospital(tenancy).id;
    assert_eq!(
        subscriptions::current(shared, row).unwrap().is_none(),
        closed
    );
    let members = tenant_access::table
        .filter(tenant_access::active.eq(true))
        .count();
    assert_eq!(
        members.get_result::<i64>(shared).unwrap(),
        i64::from(!closed)
    );
    closed
}

const DEREGISTER: Operation = Operation {
    part: "deregister",
    before: with_hospital,
    outcome: |tenancy| {
        let done = closed(tenancy);
        deregister(tenancy, &id(), CODE, Retention::days(90)).unwrap();
        assert!(closed(tenancy));
        settled(tenancy);
        done
    },
};

const REOPEN: Operation = Operation {
    part: "reopen",
    before: |root| {
        with_hospital(root);
        deregister(&open(root), &id(), CODE, Retention::days(90)).unwrap();
    },
    outcome: |tenancy| {
        // Closed it has its date, or nobody would know until when it is kept.
        let done = !closed(tenancy);
        if !done {
            reopen(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
        }
        assert!(!closed(tenancy));
        assert_eq!(quota(tenancy), Some(10_000 * MB));
        settled(tenancy);
        done
    },
};

const CHANGE_PLAN: Operation = Operation {
    part: "change plan",
    before: with_hospital,
    outcome: |tenancy| {
        let shared = &mut tenancy.shared().unwrap();
        let limits = subscriptions::limits(shared, hospital(tenancy).id).unwrap();
        assert_eq!(
            quota(tenancy),
            limits.bytes(),
            "the quota is not the plan's"
        );
        limits.megabytes == Some(100_000)
    },
};

#[cfg(feature = "failpoints")]
mod failpoints {
    use super::*;

    #[test]
    fn registering_at_every_step() {
        crashes::failpoints::few_steps_of(&SERVICE, &REGISTER, 10);
    }

    #[test]
    fn registering_what_is_taken_at_every_step() {
        crashes::failpoints::many_steps_of(&SERVICE, &REFUSED, 4);
    }

    #[test]
    fn deregistering_at_every_step() {
        crashes::failpoints::every_step_of(&SERVICE, &DEREGISTER, 6);
    }

    #[test]
    fn opening_again_at_every_step() {
        crashes::failpoints::every_step_of(&SERVICE, &REOPEN, 5);
    }

    #[test]
    fn changing_the_plan_at_every_step() {
        crashes::failpoints::every_step_of(&SERVICE, &CHANGE_PLAN, 3);
    }
}

#[test]
fn killed_at_any_system_call_a_hospital_is_there_or_not() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_at_few_system_calls_of(&SERVICE, &REGISTER)
        + crashes::kill_at_few_system_calls_of(&SERVICE, &DEREGISTER);
    assert!(kills >= 8, "{kills}: the sweep did not get far");
}

/// A registration that a build without the workflow is asked for is not begun: nobody could finish it.
#[test]
fn a_build_that_could_not_recover_it_does_not_begin() {
    let dir = crate::scratch::dir();
    let tenancy = Tenancy::builder(&diesel_tenants::models::ROUTES)
        .sqlite(dir.path().join("data"))
        .init()
        .shared_migrations(diesel_tenants::models::SHARED_MIGRATIONS)
        .tenant_migrations(diesel_tenants::models::TENANT_MIGRATIONS)
        .open()
        .unwrap();
    let error = ask(&tenancy, None, &asked(CODE)).unwrap_err();
    assert!(
        matches!(&error, OnboardingError::Run(run) if matches!(**run, WorkflowError::NotRegistered { .. })),
        "{error:?}"
    );
}
