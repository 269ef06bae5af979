//! Hospitals as a whole: registered, put on another plan, closed, opened again; both databases or neither.
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

use super::{Service, quick_accounts, service};

mod closed;
mod killed;
pub(super) use closed::{closed, deregister_by_halves};
pub(super) use killed::play;

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
