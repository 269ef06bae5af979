//! What was decided last about a hospital holds, whatever was left of earlier decisions and whenever that is found.
use diesel::connection::SimpleConnection;
use diesel_tenants::models::shared::subscriptions::BillingCycle;
use diesel_tenants::services::onboarding::{OnboardingError, change_plan, deregister, reopen};
use diesel_tenants::{Retention, Status};

use super::onboarding::{CODE, ask, asked, closed, deregister_by_halves, id, settled, with_plans};
use super::{Service, open};

fn close(service: &Service) {
    deregister(&service.tenancy, &id(), CODE, Retention::days(90)).unwrap();
}

fn opened(service: &Service) -> Result<(), OnboardingError> {
    reopen(&service.tenancy, &id(), "basic", BillingCycle::Monthly)
}

fn registered() -> Service {
    let service = with_plans();
    ask(&service.tenancy, None, &asked(CODE)).unwrap();
    service
}

fn sql(service: &Service, sql: &str) {
    let mut shared = service.shared();
    let done = shared.unrouted("stand in the way", |raw| {
        raw.connection().batch_execute(sql)
    });
    done.unwrap();
}

/// Opens a hospital again while the catalogue takes no change of a tenant's status: its rows are open, its database is not.
fn reopen_by_halves(service: &Service) {
    sql(
        service,
        "CREATE TRIGGER veto BEFORE UPDATE ON __tenants_tenants WHEN NEW.status <> OLD.status \
         BEGIN SELECT RAISE(ABORT, 'not now'); END",
    );
    let left = opened(service).unwrap_err();
    assert!(matches!(left, OnboardingError::Run(_)), "{left:?}");
    sql(service, "DROP TRIGGER veto");
}

/// Whatever is left is found, as when the library is opened or the console's button is pressed.
fn found(service: &Service) -> bool {
    service.tenancy.recover().unwrap();
    let again = open(&service.root);
    let closed = closed(&again);
    settled(&again);
    closed
}

/// The first run was left, the second closed the hospital, and once it was open again the first closed it once more.
#[test]
fn a_closing_that_was_left_does_not_close_what_was_opened_since() {
    let service = registered();
    deregister_by_halves(&service);
    close(&service);
    settled(&service.tenancy);
    opened(&service).unwrap();
    assert!(!found(&service), "a hospital in service was closed");

    // The same where nobody closed it once more.
    deregister_by_halves(&service);
    opened(&service).unwrap();
    settled(&service.tenancy);
    assert!(!found(&service));

    // And its mirror.
    close(&service);
    reopen_by_halves(&service);
    close(&service);
    settled(&service.tenancy);
    assert!(found(&service), "a closed hospital was opened");
    // A plan that was left to be applied goes first, too.
    opened(&service).unwrap();
    sql(
        &service,
        "CREATE TRIGGER veto BEFORE UPDATE ON __tenants_tenants BEGIN SELECT RAISE(ABORT, 'not now'); END",
    );
    change_plan(&service.tenancy, &id(), "premium", BillingCycle::Monthly).unwrap_err();
    sql(&service, "DROP TRIGGER veto");
    change_plan(&service.tenancy, &id(), "basic", BillingCycle::Monthly).unwrap();
    settled(&service.tenancy);
    let record = service.tenancy.handle(&id()).unwrap().record().unwrap();
    assert_eq!(record.plan.as_deref(), Some("basic"));
}

/// Runs that a build left which let several be open at once.
#[test]
fn what_the_hospitals_row_says_is_done_and_not_what_an_old_run_was_for() {
    let service = registered();
    let hide = "UPDATE __tenants_workflows SET state = 'undone' WHERE state = 'running'";
    let show = "UPDATE __tenants_workflows SET state = 'running' WHERE state = 'undone'";
    deregister_by_halves(&service);
    sql(&service, hide);
    close(&service);
    opened(&service).unwrap();
    sql(&service, show);
    assert!(!found(&service), "a hospital in service was closed");

    close(&service);
    reopen_by_halves(&service);
    sql(&service, hide);
    close(&service);
    sql(&service, show);
    assert!(found(&service), "a closed hospital was opened");
}

/// It would have been left past the commit, and in the way of whatever is decided next.
#[test]
fn a_retention_that_no_database_has_is_refused_before_the_hospital_is_closed() {
    let service = registered();
    let refused = deregister(&service.tenancy, &id(), CODE, Retention::days(40_000));
    assert!(
        matches!(refused, Err(OnboardingError::Retention(_))),
        "{refused:?}"
    );
    settled(&service.tenancy);
    assert!(!closed(&service.tenancy));
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_between_the_archive_and_the_date_it_is_closed_by_whoever_asks_next() {
    use crate::{actors, crashes};

    let service = registered();
    for point in ["onboarding.suspended", "onboarding.archived"] {
        let mut child = actors::command("deregister", &service.root);
        child.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
        assert!(crashes::run(child), "{point} is not passed");
        let [left] = &service.tenancy.unfinished_workflows().unwrap()[..] else {
            panic!("one run is left");
        };
        assert!(!left.is_alive);
        close(&service);
        settled(&service.tenancy);
        assert!(closed(&service.tenancy));
        opened(&service).unwrap();
        assert!(!found(&service), "{point}");
    }
}

/// The date was taken back before the run began: whoever was killed in between left a hospital that was kept without end,
/// and a purge in between one that was opened without its data.
#[cfg(feature = "failpoints")]
#[test]
fn of_a_purge_and_an_opening_at_once_one_is_refused() {
    use crate::crashes;

    let service = registered();
    let tenancy = &service.tenancy;
    deregister(tenancy, &id(), CODE, Retention::NONE).unwrap();
    let signals = service._dir.path();
    let point = "onboarding.reopening";
    let (mut reopening, go_on) = crashes::paused("reopen", &service.root, point, signals);
    tenancy.purge(&id(), CODE).unwrap();
    std::fs::File::create(go_on).unwrap();
    assert_eq!(reopening.hear(), None, "it was opened");
    drop(reopening);
    settled(tenancy);
    assert!(super::onboarding::hospital(tenancy).closed_at.is_some());
}

/// It waited for a database that never came back, and kept everything else that may be decided waiting.
#[test]
fn an_opening_that_was_left_ends_when_its_tenant_is_purged() {
    let service = registered();
    close(&service);
    reopen_by_halves(&service);
    service
        .tenancy
        .delete(&id(), CODE, Retention::NONE)
        .unwrap();
    service.tenancy.purge(&id(), CODE).unwrap();
    service.tenancy.recover().unwrap();
    settled(&service.tenancy);
    let gone = opened(&service).unwrap_err();
    assert!(
        matches!(
            gone,
            OnboardingError::NotClosed { .. } | OnboardingError::Gone { .. }
        ),
        "{gone:?}"
    );
    close(&service);
}

/// What can be neither finished nor undone is given up, and no longer in the way of closing the hospital; what was to be is
/// decided once more.
#[test]
fn what_was_given_up_is_decided_once_more() {
    let service = registered();
    let tenancy = &service.tenancy;
    let given_up = || {
        let [left] = &tenancy.unfinished_workflows().unwrap()[..] else {
            panic!("one run is left");
        };
        let why = "nobody can finish it".parse().unwrap();
        let given_up = tenancy.abandon_workflow(left.id, &why).unwrap();
        assert!(given_up.is_tenant_known);
        let steps = given_up.left.into_iter().map(|left| left.step);
        steps.collect::<Vec<_>>()
    };
    sql(
        &service,
        "CREATE TRIGGER veto BEFORE UPDATE OF plan ON __tenants_tenants BEGIN SELECT RAISE(ABORT, 'not now'); END",
    );
    change_plan(tenancy, &id(), "basic", BillingCycle::Monthly).unwrap_err();
    let in_the_way = deregister(tenancy, &id(), CODE, Retention::days(90)).unwrap_err();
    assert!(
        matches!(in_the_way, OnboardingError::Run(_)),
        "{in_the_way:?}"
    );
    assert_eq!(given_up(), ["subscription"]);
    // What was in its way is there still.
    close(&service);
    assert!(found(&service));
    sql(&service, "DROP TRIGGER veto");
    opened(&service).unwrap();

    deregister_by_halves(&service);
    assert_eq!(given_up(), ["business record"]);
    // Closed for its people, with its database in service: recovery leaves it so.
    assert_eq!(tenancy.recover().unwrap(), 0);
    let status = || tenancy.handle(&id()).unwrap().record().unwrap().status;
    assert_eq!(status(), Status::Active);
    close(&service);
    assert!(found(&service));
    opened(&service).unwrap();
    assert!(!found(&service));
}
