//! The shared database is put back to the middle of something, or the hospital's to before something: what was decided
//! and written since is there, and nobody is told of what is not.
use chrono::NaiveDate;
use diesel_tenants::error::WorkflowError;
use diesel_tenants::models::schema::tenant::patients;
use diesel_tenants::models::tenant::patients::Sex;
use diesel_tenants::prelude::*;
use diesel_tenants::services::admission::{
    AccountWanted, AdmissionError, Admissions, Admitted, PatientDetails,
};
use diesel_tenants::services::now;
use diesel_tenants::workflow::IdempotencyKey;

use super::onboarding::{CODE, ask, asked, id, key, settled, with_plans};
use super::quick_accounts;

fn admit(
    tenancy: &Tenancy,
    key: Option<IdempotencyKey>,
    name: &str,
) -> Result<Admitted, AdmissionError> {
    let born = NaiveDate::from_ymd_opt(1990, 5, 17).unwrap();
    let patient = PatientDetails::named(name, "x", born, Sex::Female);
    let account = AccountWanted::None;
    Admissions::new(quick_accounts()).admit(tenancy, &id(), key, patient, account, now())
}

fn given_names(tenancy: &Tenancy) -> Vec<String> {
    let names = patients::table.select(patients::given_name);
    names.load(&mut tenancy.tenant(&id()).unwrap()).unwrap()
}

/// The number was the next patient's by then, and whoever asked again was sent to that record.
#[test]
fn who_is_no_longer_in_the_hospitals_database_is_not_told_to_be_there() {
    let service = with_plans();
    let tenancy = &service.tenancy;
    ask(tenancy, None, &asked(CODE)).unwrap();
    let ada = admit(tenancy, key("k"), "Ada").unwrap();
    tenancy.recreate(&id(), CODE).unwrap();
    let bob = admit(tenancy, key("l"), "Bob").unwrap();
    assert_eq!(ada.number, bob.number);
    let again = admit(tenancy, key("k"), "Ada").unwrap_err();
    let AdmissionError::Workflow(again) = again else {
        panic!("{again:?}");
    };
    assert!(
        matches!(*again, WorkflowError::Superseded { .. }) && !again.is_retryable(),
        "{again:?}"
    );
    assert_eq!(given_names(tenancy), ["Bob"]);
    assert_eq!(
        admit(tenancy, key("l"), "Bob").unwrap().patient,
        bob.patient
    );

    // Ada is there again, and it is she who is answered, be it while nobody else is let in.
    tenancy.undo(&id(), CODE).unwrap();
    tenancy.suspend(&id()).unwrap();
    let again = admit(tenancy, key("k"), "Ada").unwrap();
    assert_eq!((again.patient, again.number), (ada.patient, ada.number));
    settled(tenancy);
}

#[cfg(feature = "failpoints")]
mod failpoints {
    use super::*;
    use crate::crashes;
    use crate::services::onboarding::{counts, hospital};
    use crate::services::{Service, open};
    use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
    use diesel_tenants::services::hospitals as hospitals_service;
    use diesel_tenants::workflow::RunState;
    use diesel_tenants::{BackupOptions, SharedRestored};

    /// A hospital whose registration had come to `point` when the shared database was backed up. It was registered, it
    /// worked, and that backup is the shared database again.
    fn put_back_to(point: &str) -> (Service, SharedRestored) {
        let mut service = with_plans();
        let signals = service._dir.path().to_owned();
        let (mut registering, go_on) = crashes::paused("register", &service.root, point, &signals);
        let backup = service
            .tenancy
            .backup_shared(&BackupOptions::new())
            .unwrap();
        std::fs::File::create(go_on).unwrap();
        assert_eq!(registering.hear().as_deref(), Some("registered"));
        drop(registering);
        admit(&service.tenancy, None, "Ada").unwrap();
        // Nobody has it open meanwhile.
        let empty = crate::scratch::dir();
        service.tenancy = open(&empty.path().join("data"));
        let restored = Tenancy::builder(&ROUTES)
            .sqlite(&service.root)
            .shared_migrations(SHARED_MIGRATIONS)
            .tenant_migrations(TENANT_MIGRATIONS)
            .restore_shared(&backup.path)
            .unwrap();
        service.tenancy = open(&service.root);
        (service, restored)
    }

    fn whole(service: &Service) {
        let tenancy = &service.tenancy;
        settled(tenancy);
        assert_eq!(given_names(tenancy), ["Ada"]);
        let uuid = tenancy.handle(&id()).unwrap().uuid();
        let bound = hospitals_service::of_tenant(&mut service.shared(), uuid);
        assert_eq!(bound.unwrap(), Some(hospital(tenancy).id));
        // Whoever lost the answer is told of this hospital.
        let again = ask(tenancy, key("k"), &asked(CODE)).unwrap();
        assert_eq!(again.hospital, hospital(tenancy).id);
        admit(tenancy, None, "Bob").unwrap();
    }

    /// The run was undone, since its journal did not know that it had come through: the hospital was purged, without a
    /// date, a backup or a confirmation.
    #[test]
    fn a_hospital_whose_registration_was_under_way_then_is_registered() {
        let (service, restored) = put_back_to("create.published");
        assert!(restored.missing.is_empty() && restored.orphans.is_empty());
        whole(&service);
    }

    /// The catalogue does not know it yet: it is taken back first.
    #[test]
    fn one_of_which_the_catalogue_knows_nothing_yet_is_registered_once_it_is_taken_back() {
        let (service, restored) = put_back_to("workflow.creating");
        let tenancy = &service.tenancy;
        let [orphan] = &restored.orphans[..] else {
            panic!("{restored:?}");
        };
        let stuck = || {
            let [left] = &tenancy.unfinished_workflows().unwrap()[..] else {
                panic!("one run is left");
            };
            assert_eq!(left.state, RunState::Stuck);
            assert!(left.failure.as_ref().unwrap().contains("take it back"));
            assert_eq!(counts(tenancy)[..5], [1; 5], "something was undone");
            left.id
        };
        let run = stuck();
        tenancy.retry_workflow(run).unwrap_err();
        stuck();
        let new = NewTenant::named("NORTH Hospital").subdomain("north");
        tenancy.reclaim_orphan(orphan.uuid, new).unwrap();
        assert_eq!(tenancy.retry_workflow(run).unwrap(), RunState::Done);
        whole(&service);
    }

    /// Not even the run knows it yet. Its rows are the hospital's all the same.
    #[test]
    fn the_rows_of_one_that_the_run_knows_nothing_of_are_kept() {
        let (service, restored) = put_back_to("workflow.shared-step");
        let tenancy = &service.tenancy;
        let kept = || {
            let [left] = &tenancy.unfinished_workflows().unwrap()[..] else {
                panic!("one run is left");
            };
            assert_eq!(left.state, RunState::Stuck);
            assert_eq!(counts(tenancy)[..5], [1; 5], "something was undone");
            left.id
        };
        tenancy.retry_workflow(kept()).unwrap_err();
        let new = NewTenant::named("NORTH Hospital").subdomain("north");
        tenancy
            .reclaim_orphan(restored.orphans[0].uuid, new)
            .unwrap();
        tenancy.retry_workflow(kept()).unwrap_err();
        kept();
        hospitals_service::rebind(tenancy, CODE, &id(), CODE).unwrap();
        assert_eq!(given_names(tenancy), ["Ada"]);
        admit(tenancy, None, "Bob").unwrap();
    }

    /// It was not registered after all: nothing is left of it, and its code is free.
    #[test]
    fn one_that_was_never_registered_is_undone() {
        let mut service = with_plans();
        let signals = service._dir.path().to_owned();
        let point = "create.published";
        let (mut registering, _) = crashes::paused("register", &service.root, point, &signals);
        let backup = service
            .tenancy
            .backup_shared(&BackupOptions::new())
            .unwrap();
        registering.kill();
        drop(registering);
        service.tenancy.recover().unwrap();
        let empty = crate::scratch::dir();
        service.tenancy = open(&empty.path().join("data"));
        Tenancy::builder(&ROUTES)
            .sqlite(&service.root)
            .shared_migrations(SHARED_MIGRATIONS)
            .tenant_migrations(TENANT_MIGRATIONS)
            .restore_shared(&backup.path)
            .unwrap();
        let tenancy = open(&service.root);
        settled(&tenancy);
        assert_eq!(counts(&tenancy), [0; 7]);
        ask(&tenancy, None, &asked(CODE)).unwrap();
    }
}
