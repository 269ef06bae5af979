//! A tenant is registered first, and its database is made later.
use std::path::Path;

use diesel_tenants::audit::AuditFilter;
use diesel_tenants::error::{CreateError, LifecycleError, RecreateError};
use diesel_tenants::prelude::*;
use diesel_tenants::verify::{Finding, Health, VerifyOptions};
use diesel_tenants::{BackupSetOptions, FanOut, OpenError};

use crate::actors::{Actor, say, told};
use crate::app::{admit, builder, fleet, names};
use crate::crashes::{self, Operation};
use crate::world;

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn new() -> NewTenant {
    NewTenant::named("Teaching Hospital").subdomain("teaching")
}

/// The parts of this module; see [`actors`](crate::actors).
pub(crate) fn act(part: &str, root: &Path) -> bool {
    match part {
        "reserve" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.reserve(&id("TH001"), new()).unwrap();
        }
        "complete" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.complete(&id("TH001")).unwrap();
        }
        "complete, told" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            match tenancy.complete(&id("TH001")) {
                Ok(handle) => say(handle.uuid()),
                Err(CreateError::AlreadyExists { status, .. }) => say(status),
                Err(CreateError::InProgress { .. }) => say("in progress"),
                Err(error) => say(format!("{error:?}")),
            }
        }
        _ => return false,
    }
    true
}

const RESERVE: Operation = Operation {
    part: "reserve",
    before: |root| drop(builder(root).open().unwrap()),
    outcome: |tenancy| match tenancy.tenants().unwrap().as_slice() {
        [] => false,
        [record] => record.status == Status::Reserved,
        more => panic!("{more:?}"),
    },
};

const COMPLETE: Operation = Operation {
    part: "complete",
    before: |root| {
        let tenancy = builder(root).open().unwrap();
        tenancy.reserve(&id("TH001"), new()).unwrap();
    },
    outcome: |tenancy| {
        let record = tenancy.tenants().unwrap()[0].clone();
        assert_eq!(record.subdomain.as_ref().unwrap().as_str(), "teaching");
        let done = record.status == Status::Active;
        if !done {
            assert_eq!(record.status, Status::Reserved);
            // Nothing is in the way of doing it again, under the next number, and it is the same tenant.
            let handle = tenancy.complete(&id("TH001")).unwrap();
            assert_eq!(handle.uuid(), record.uuid);
        }
        let mut ctx = tenancy.tenant(&id("TH001")).unwrap();
        admit(&mut ctx, "first").unwrap();
        assert_eq!(names(&mut ctx), ["first"]);
        done
    },
};

#[cfg(feature = "failpoints")]
#[test]
fn killed_at_any_step_it_is_reserved_or_complete() {
    crashes::failpoints::every_step(&RESERVE, 1);
    crashes::failpoints::every_step(&COMPLETE, 6);
}

#[test]
fn killed_at_any_system_call_it_is_reserved_or_complete() {
    crashes::kill_at_system_calls(&COMPLETE);
}

#[test]
fn a_reservation_holds_its_names_and_opens_nothing() {
    let fleet = fleet();
    let tenancy = &fleet.tenancy;
    let th001 = tenancy.reserve(&id("TH001"), new()).unwrap();
    assert_eq!(th001.record().unwrap().status, Status::Reserved);

    let error = tenancy.tenant(&id("TH001")).unwrap_err();
    let refused = matches!(
        error,
        OpenError::Unavailable {
            status: Status::Reserved,
            ..
        }
    );
    assert!(refused && !error.is_retryable(), "{error:?}");
    assert!(
        error.to_string().contains("`Tenancy::create` makes it"),
        "{error}"
    );
    assert!(error.for_untrusted().is_some());
    assert!(th001.enter().is_err());

    // Another spelling of the id, and the subdomain, in this process and in another.
    let other = builder(&fleet.root).open().unwrap();
    for tenancy in [tenancy, &other] {
        let taken = tenancy.reserve(&id("th001"), new()).unwrap_err();
        let taken_by = matches!(
            taken,
            CreateError::AlreadyExists {
                status: Status::Reserved,
                ..
            }
        );
        assert!(taken_by, "{taken:?}");
        let taken = tenancy.create(&id("TH002"), new()).unwrap_err();
        assert!(
            matches!(taken, CreateError::SubdomainTaken { .. }),
            "{taken:?}"
        );
        let taken = tenancy.reserve(&id("TH002"), new()).unwrap_err();
        assert!(
            matches!(taken, CreateError::SubdomainTaken { .. }),
            "{taken:?}"
        );
    }
    let taken = tenancy
        .rename(
            &id("TH001"),
            diesel_tenants::Rename::new().display_name("X"),
        )
        .unwrap_err();
    assert!(taken.to_string().contains("reserved"), "{taken}");

    // Nothing that works on databases takes it for one.
    let suspended = tenancy.suspend(&id("TH001")).unwrap_err();
    assert!(
        matches!(suspended, LifecycleError::WrongStatus { .. }),
        "{suspended:?}"
    );
    let emptied = tenancy.recreate(&id("TH001"), "TH001").unwrap_err();
    assert!(
        matches!(
            emptied,
            RecreateError::Lifecycle(LifecycleError::WrongStatus { .. })
        ),
        "{emptied:?}"
    );
    assert!(tenancy.migrate_tenant(&id("TH001")).is_err());
    assert!(
        tenancy
            .plan_repair(&id("TH001"), &Default::default())
            .is_err()
    );
    let read = tenancy.for_each_tenant(FanOut::new(), |_| Ok(())).unwrap();
    assert!(read.is_complete(), "{read:?}");
    let set = tenancy
        .backup_all(&BackupSetOptions::new(), |_| {})
        .unwrap();
    assert!(set.is_complete(), "{set:?}");

    let found = tenancy
        .verify(&id("TH001"), &VerifyOptions::default())
        .unwrap();
    assert_eq!(
        (found.status, &found.reasons[..]),
        (Health::Incomplete, &[Finding::Reserved][..])
    );
    let all = tenancy
        .verify_fleet(&VerifyOptions::default(), |_| {})
        .unwrap();
    assert_eq!(all.tenants[0].status, Health::Incomplete);
    // What is completed is not what was verified.
    tenancy.complete(&id("TH001")).unwrap();
    assert_eq!(tenancy.health(&id("TH001")).unwrap(), None);
    let found = tenancy
        .verify(&id("TH001"), &VerifyOptions::default())
        .unwrap();
    assert!(found.is_ready(), "{found}");
}

/// A process that was completing it has died; one that was open all the time does it, whichever way it is asked.
#[cfg(feature = "failpoints")]
#[test]
fn what_a_dead_process_was_completing_is_completed() {
    for by_name in [true, false] {
        let fleet = fleet();
        let (tenancy, name) = (&fleet.tenancy, id("TH001"));
        let uuid = tenancy.reserve(&name, new()).unwrap().uuid();
        let mut command = crate::actors::command("complete", &fleet.root);
        command.env("DIESEL_TENANTS_FAILPOINT", "create.staged=kill");
        assert!(crashes::run(command));
        // It has heard of it.
        let status = tenancy.tenants().unwrap()[0].status;
        assert_eq!(status, Status::Provisioning);
        let done = match by_name {
            true => tenancy.create(&name, new()),
            false => tenancy.complete(&name),
        };
        let done = done.unwrap();
        assert_eq!(done.uuid(), uuid);
        admit(&mut done.enter().unwrap(), "Ada").unwrap();
    }
}

/// A workflow knows its tenant by the uuid it has chosen, and a reservation has one of its own.
#[test]
fn a_workflow_does_not_complete_a_reservation() {
    let fleet = fleet();
    let tenancy = &fleet.tenancy;
    let uuid = tenancy.reserve(&id("TH001"), new()).unwrap().uuid();
    let who = crate::workflow::who("Teaching");
    let onboarded = tenancy.run_workflow(&crate::workflow::Onboarding, &id("TH001"), None, who);
    assert!(onboarded.is_err(), "{onboarded:?}");
    let record = tenancy.tenants().unwrap()[0].clone();
    assert_eq!((record.uuid, record.status), (uuid, Status::Reserved));
    drop(fleet.tenancy);
    world::check(&fleet.root);
}

/// What is in the way of the database is no database: it fails, and is the reservation it was.
#[test]
fn a_completion_that_fails_is_an_error() {
    let fleet = fleet();
    let tenancy = &fleet.tenancy;
    let th001 = tenancy.reserve(&id("TH001"), new()).unwrap();
    let staging = fleet.file(&th001, 1).with_file_name(".new-g1.sqlite3");
    std::fs::create_dir(staging.parent().unwrap()).unwrap();
    std::fs::write(&staging, "").unwrap();
    let failed = tenancy.complete(&id("TH001"));
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(th001.record().unwrap().status, Status::Reserved);
    // It can be taken back like one that nobody has tried to complete.
    tenancy.unreserve(&id("TH001")).unwrap();
    fleet.create("TH001");
    drop((th001, fleet.tenancy));
    world::check(&fleet.root);
}

#[test]
fn creating_completes_on_the_terms_it_is_given() {
    let fleet = fleet();
    let tenancy = &fleet.tenancy;
    let reserved = tenancy.reserve(&id("TH001"), new()).unwrap().uuid();
    fleet.create("TH002");
    tenancy
        .reserve(&id("TH003"), NewTenant::named("Third").subdomain("third"))
        .unwrap();
    let taken = NewTenant::named("Teaching").subdomain("third");
    let taken = tenancy.create(&id("TH001"), taken).unwrap_err();
    assert!(
        matches!(taken, CreateError::SubdomainTaken { .. }),
        "{taken:?}"
    );
    let wrong = tenancy
        .create(&id("TH001"), NewTenant::named(""))
        .unwrap_err();
    assert!(matches!(wrong, CreateError::DisplayName(_)), "{wrong:?}");
    assert_eq!(
        tenancy
            .handle(&id("TH001"))
            .unwrap()
            .record()
            .unwrap()
            .status,
        Status::Reserved
    );

    let terms = NewTenant::named("Teaching Hospital West")
        .subdomain("west")
        .plan("premium");
    let th001 = tenancy.create(&id("th001"), terms).unwrap();
    let record = th001.record().unwrap();
    assert_eq!((th001.uuid(), th001.id().as_str()), (reserved, "TH001"));
    assert_eq!(record.display_name.as_str(), "Teaching Hospital West");
    assert_eq!(record.plan.as_deref(), Some("premium"));
    assert!(tenancy.handle_at(&"west".parse().unwrap()).is_ok());
    assert!(tenancy.handle_at(&"teaching".parse().unwrap()).is_err());
    admit(&mut th001.enter().unwrap(), "Ada").unwrap();
    let again = tenancy.complete(&id("TH001")).unwrap_err();
    assert!(
        matches!(
            again,
            CreateError::AlreadyExists {
                status: Status::Active,
                ..
            }
        ),
        "{again:?}"
    );
    // As the one that is there, `ensure` completes it.
    tenancy
        .ensure(&id("TH003"), NewTenant::named("Third"))
        .unwrap()
        .enter()
        .unwrap();

    // The name it was reserved with is its own.
    let terms = || NewTenant::named("Fourth").subdomain("fourth");
    tenancy.reserve(&id("TH004"), terms()).unwrap();
    tenancy.create(&id("TH004"), terms()).unwrap();

    let of_it = AuditFilter::all().tenant(&id("TH001"));
    let actions = tenancy.audit_entries(&of_it, 100).unwrap();
    let actions: Vec<&str> = actions.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["tenant.reserve", "create.begin", "create.commit"]);
}

#[test]
fn a_reservation_is_taken_back_without_a_trace_but_in_the_log() {
    let fleet = fleet();
    let other = builder(&fleet.root).open().unwrap();
    let tenancy = &fleet.tenancy;
    let handle = tenancy.reserve(&id("TH001"), new()).unwrap();
    other.handle(&id("TH001")).unwrap();
    tenancy.unreserve(&id("TH001")).unwrap();
    assert!(handle.enter().is_err());
    let gone = tenancy.unreserve(&id("TH001")).unwrap_err();
    assert!(
        matches!(gone, LifecycleError::Open(OpenError::UnknownTenant { .. })),
        "{gone:?}"
    );
    assert_eq!(other.tenants().unwrap().len(), 0);
    // The id and the subdomain are free, and not retired.
    fleet.create("TH001");
    let kept = other.unreserve(&id("TH001")).unwrap_err();
    assert!(
        matches!(
            kept,
            LifecycleError::WrongStatus {
                status: Status::Active,
                ..
            }
        ),
        "{kept:?}"
    );
    let entries = tenancy.audit_entries(&AuditFilter::all().action("tenant.unreserve"), 10);
    assert_eq!(entries.unwrap().len(), 1);
    drop((other, fleet.tenancy));
    world::check(&fleet.root);
}

#[test]
fn of_two_processes_that_complete_it_one_does() {
    let fleet = fleet();
    let uuid = fleet.tenancy.reserve(&id("TH001"), new()).unwrap().uuid();
    let mut actors = [0; 4].map(|_| Actor::spawn("complete, told", &fleet.root));
    for actor in &mut actors {
        assert_eq!(actor.hear().as_deref(), Some("ready"));
    }
    for actor in &mut actors {
        actor.tell("go");
    }
    let said: Vec<String> = actors
        .iter_mut()
        .map(|actor| actor.hear().unwrap())
        .collect();
    let won = said
        .iter()
        .filter(|said| **said == uuid.to_string())
        .count();
    assert_eq!(won, 1, "{said:?}");
    let lost =
        |said: &String| said == "active" || said == "in progress" || *said == uuid.to_string();
    assert!(said.iter().all(lost), "{said:?}");
    drop(actors);
    let mut ctx = fleet.tenancy.tenant(&id("TH001")).unwrap();
    admit(&mut ctx, "Ada").unwrap();
}

/// Format 9 had no such status; what it holds is carried over, with what refers to it.
#[test]
fn a_catalogue_of_before_is_brought_up_with_everything_in_it() {
    let fleet = fleet();
    fleet.create("TH001");
    let tenancy = &fleet.tenancy;
    tenancy.compact(&id("TH001")).unwrap();
    tenancy.recreate(&id("TH001"), "TH001").unwrap();
    tenancy
        .verify(&id("TH001"), &VerifyOptions::default())
        .unwrap();
    let before = tenancy.tenants().unwrap();
    let health = tenancy.health(&id("TH001")).unwrap();
    assert!(health.is_some());
    // The table as it was, by the same way back.
    let down = include_str!("reserve/format_9.sql");
    tenancy
        .shared()
        .unwrap()
        .unrouted("to make an old catalogue", |raw| {
            diesel::connection::SimpleConnection::batch_execute(raw.connection(), down)
        })
        .unwrap();
    drop(fleet.tenancy);
    let tenancy = world::check(&fleet.root);
    assert_eq!(tenancy.tenants().unwrap(), before);
    assert_eq!(tenancy.health(&id("TH001")).unwrap(), health);
    assert_eq!(tenancy.old_generations(&id("TH001")).unwrap().len(), 1);
    tenancy
        .reserve(&id("TH002"), NewTenant::named("Second"))
        .unwrap();
}
