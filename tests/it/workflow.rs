//! Work on the shared database and on a tenant's: both sides or neither, whatever happens in between.
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel_tenants::prelude::*;
use diesel_tenants::workflow::{IdempotencyKey, RunState};
use diesel_tenants::{Error, OpenError, WorkflowError};
use proptest::prelude::*;

use crate::actors::{Actor, say, told};
use crate::app::{Fleet, ROUTES, builder, delete_at_once, fleet, hospitals, patients, users};
use crate::crashes::{self, Operation};
use crate::world;

mod admission;
mod alone;
mod defences;
mod given_up;
mod hands;
mod restored;
use admission::Refused;
pub(crate) use admission::{Admission, Onboarding, who, with_trouble};

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

fn key(key: &str) -> Option<IdempotencyKey> {
    Some(key.parse().unwrap())
}

/// The names of users and of the tenant's patients, `one`, `two` and `three` left out.
fn sides(tenancy: &Tenancy) -> (Vec<String>, Vec<String>) {
    let names = users::table.select(users::name).order(users::name);
    let users = names
        .load::<String>(&mut tenancy.shared().unwrap())
        .unwrap();
    let others = patients::name.ne_all(["one", "two", "three"]);
    let names = patients::table.filter(others).select(patients::name);
    let patients = names
        .order(patients::name)
        .load::<String>(&mut tenancy.tenant(&id()).unwrap());
    (users, patients.unwrap())
}

fn hospital_names(tenancy: &Tenancy) -> Vec<String> {
    let names = hospitals::table.select(hospitals::name);
    names.load(&mut tenancy.shared().unwrap()).unwrap()
}

/// Both sides or neither, and nothing is left to do.
fn agreed(tenancy: &Tenancy) -> Vec<String> {
    let (users, patients) = sides(tenancy);
    assert_eq!(users, patients, "the two databases disagree");
    assert!(
        users.iter().all(|name| !name.starts_with("pending")),
        "{users:?}"
    );
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    users
}

/// The parts other processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    match part {
        "admit" => {
            let tenancy = builder(root).open().unwrap();
            let done = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
            done.unwrap();
            say("admitted");
        }
        "admit and fail" => {
            let tenancy = builder(root).open().unwrap();
            let refused = with_trouble("Ada", "patient");
            let failed = tenancy.run_workflow(&Admission, &id(), key("k"), refused);
            assert!(matches!(failed, Err(WorkflowError::Failed { .. })));
            say("failed");
        }
        "onboard" => {
            let tenancy = builder(root).open().unwrap();
            let done = tenancy.run_workflow(&Onboarding, &id(), key("k"), who("Teaching"));
            done.unwrap();
            say("onboarded");
        }
        "onboard and fail" => {
            let tenancy = builder(root).open().unwrap();
            let refused = with_trouble("Teaching", "open");
            let failed = tenancy.run_workflow(&Onboarding, &id(), key("k"), refused);
            assert!(
                matches!(failed, Err(WorkflowError::Failed { .. })),
                "{failed:?}"
            );
            say("failed");
        }
        // Some system call of the first attempt may fail.
        "admit twice" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            let first = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
            say(match &first {
                Ok(_) => "admitted".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            let again = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
            let again = again.unwrap();
            if let Ok(first) = first {
                assert_eq!(first, again);
            }
            assert_eq!(agreed(&tenancy), ["Ada"]);
            say("done");
        }
        // Admits whoever is named, under the key that is named, when told.
        "admit when told" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            loop {
                let word = told();
                if word.is_empty() {
                    return true;
                }
                loop {
                    match tenancy.run_workflow(&Admission, &id(), key(&word), who(&word)) {
                        Ok((user, patient)) => break say(format!("{user} {patient}")),
                        Err(WorkflowError::InProgress { .. }) => std::thread::yield_now(),
                        Err(other) => break say(format!("{other:?}")),
                    }
                }
            }
        }
        _ => return given_up::play(part, root),
    }
    true
}

const ADMIT: Operation = Operation {
    part: "admit",
    before: crashes::with_rows,
    outcome: |tenancy| {
        let done = !agreed(tenancy).is_empty();
        // Asked for again it is done once, or for the first time.
        let first = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
        let again = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
        assert_eq!(first.unwrap(), again.unwrap());
        assert_eq!(agreed(tenancy), ["Ada"]);
        done
    },
};

const ADMIT_AND_FAIL: Operation = Operation {
    part: "admit and fail",
    before: crashes::with_rows,
    outcome: |tenancy| {
        assert!(agreed(tenancy).is_empty());
        false
    },
};

fn onboarded(tenancy: &Tenancy) -> bool {
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    match (
        hospital_names(tenancy).as_slice(),
        tenancy.tenants().unwrap().as_slice(),
    ) {
        ([], []) => false,
        ([name], [tenant]) => {
            assert_eq!((name.as_str(), tenant.status), ("Teaching", Status::Active));
            assert_eq!(world::rows(tenancy), ["first"]);
            true
        }
        more => panic!("{more:?}"),
    }
}

const ONBOARD: Operation = Operation {
    part: "onboard",
    before: |root| drop(builder(root).open().unwrap()),
    outcome: |tenancy| {
        let done = onboarded(tenancy);
        // The id is free, or its own.
        let again = tenancy.run_workflow(&Onboarding, &id(), key("k"), who("Teaching"));
        again.unwrap();
        assert!(onboarded(tenancy));
        done
    },
};

const ONBOARD_AND_FAIL: Operation = Operation {
    part: "onboard and fail",
    before: |root| drop(builder(root).open().unwrap()),
    outcome: |tenancy| {
        assert!(!onboarded(tenancy));
        false
    },
};

#[cfg(feature = "failpoints")]
mod failpoints {
    use super::*;

    #[test]
    fn admission_at_every_step() {
        crashes::failpoints::every_step(&ADMIT, 5);
    }

    #[test]
    fn a_failing_admission_at_every_step() {
        crashes::failpoints::many_steps(&ADMIT_AND_FAIL, 6);
    }

    #[test]
    fn onboarding_at_every_step() {
        crashes::failpoints::many_steps(&ONBOARD, 10);
    }

    #[test]
    fn a_failing_onboarding_at_every_step() {
        crashes::failpoints::many_steps(&ONBOARD_AND_FAIL, 12);
    }
}

#[test]
fn killed_at_any_system_call_it_is_both_sides_or_neither() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_at_system_calls(&ADMIT) + crashes::kill_at_system_calls(&ONBOARD);
    assert!(kills >= 20, "{kills}: the sweep did not get far");
}

#[test]
fn failing_at_any_system_call_it_is_done_or_undone_by_the_next_attempt() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crashes::fail_at_system_calls("admit twice", &ADMIT);
    assert!(failures >= 3, "{failures}: the sweep did not get far");
}

fn hospital() -> Fleet {
    let fleet = fleet();
    fleet.create("TH001");
    fleet
}

#[test]
fn the_same_key_gives_the_same_result_and_one_patient() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    let admit = |key, name| tenancy.run_workflow(&Admission, &id(), key, who(name));
    let first = admit(key("k"), "Ada").unwrap();
    assert_eq!(admit(key("k"), "Ada").unwrap(), first);
    // Another library on the same directory, as another process has it.
    let other = fleet.again();
    let again = other.run_workflow(&Admission, &id(), key("k"), who("Ada"));
    assert_eq!(again.unwrap(), first);
    assert_eq!(agreed(tenancy), ["Ada"]);

    assert_ne!(admit(key("l"), "Ada").unwrap(), first);
    assert_ne!(admit(None, "Ada").unwrap(), first);
    assert_ne!(admit(None, "Ada").unwrap(), first);
    assert_eq!(agreed(tenancy).len(), 4);

    let reused = admit(key("k"), "Bea").unwrap_err();
    assert!(
        matches!(reused, WorkflowError::KeyReused { .. }),
        "{reused:?}"
    );
}

#[test]
fn a_step_that_fails_undoes_those_before_it() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    for step in ["user", "visitor", "between", "patient"] {
        let refused = with_trouble("Ada", step);
        let error = tenancy
            .run_workflow(&Admission, &id(), key("k"), refused)
            .unwrap_err();
        let told = matches!(
            &error,
            WorkflowError::Failed { source: Refused::Told(told), .. } if *told == step
        );
        assert!(told, "{error:?}");
        assert!(!error.is_retryable());
        assert_eq!(agreed(tenancy), [""; 0]);
    }
    // The key is free again.
    tenancy
        .run_workflow(&Admission, &id(), key("k"), who("Ada"))
        .unwrap();
    assert_eq!(agreed(tenancy), ["Ada"]);
    let error: Error = tenancy
        .run_workflow(&Admission, &id(), None, with_trouble("Bea", "user"))
        .unwrap_err()
        .into();
    assert_eq!(
        error.to_string(),
        "step `user` of the workflow `admission` failed; nothing is left of the run"
    );
    let own = std::error::Error::source(&error).unwrap();
    assert_eq!(own.to_string(), "`user` was told to fail");
}

#[test]
fn a_tenant_that_is_not_open_undoes_the_user() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    tenancy.suspend(&id()).unwrap();
    let error = tenancy
        .run_workflow(&Admission, &id(), None, who("Ada"))
        .unwrap_err();
    let WorkflowError::Open { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(**source, OpenError::Unavailable { .. }),
        "{source:?}"
    );
    tenancy.resume(&id()).unwrap();
    assert_eq!(agreed(tenancy), [""; 0]);
    let nowhere = "TH404".parse().unwrap();
    let error = tenancy
        .run_workflow(&Admission, &nowhere, None, who("Ada"))
        .unwrap_err();
    let WorkflowError::Open { source, .. } = &error else {
        panic!("{error:?}");
    };
    assert!(
        matches!(**source, OpenError::UnknownTenant { .. }),
        "{source:?}"
    );
    assert_eq!(agreed(tenancy), [""; 0]);
}

/// Runs an admission that panics in `step`.
fn panics(tenancy: &Tenancy, step: &str) {
    let refused = with_trouble("Ada", &format!("!{step}"));
    let run = || tenancy.run_workflow(&Admission, &id(), key("k"), refused);
    let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    // Whoever called is told why, by the panic itself.
    assert_eq!(panic.downcast_ref(), Some(&"told to"));
}

/// Runs an admission that fails in `step` while nothing can be noted as undone: what a crash leaves, in a process that
/// goes on.
fn abandon(tenancy: &Tenancy, step: &str) {
    use diesel::connection::SimpleConnection;
    const VETO: &str = "WHEN NEW.phase = 'undone' BEGIN SELECT RAISE(ABORT, 'veto'); END";
    const DROP: &str = "DROP TRIGGER veto";
    let in_tenant = |sql: &str| {
        let mut ctx = tenancy.tenant(&id()).unwrap();
        ctx.raw(|conn| conn.batch_execute(sql));
    };
    // The table of keys is made by the first run that comes so far.
    tenancy
        .run_workflow(&Admission, &id(), None, with_trouble("Ada", "patient"))
        .unwrap_err();
    for (table, run) in [
        ("journal", &spoil as &dyn Fn(&Tenancy, &str)),
        ("steps", &|_, sql| in_tenant(sql)),
    ] {
        let trigger =
            format!("CREATE TRIGGER veto BEFORE UPDATE ON __tenants_workflow_{table} {VETO}");
        run(tenancy, &trigger);
    }
    let left = tenancy.run_workflow(&Admission, &id(), key("k"), with_trouble("Ada", step));
    assert!(
        matches!(left, Err(WorkflowError::Unfinished { .. })),
        "{left:?}"
    );
    spoil(tenancy, DROP);
    in_tenant(DROP);
}

/// The process goes on, so nothing may wait for its death.
#[test]
fn one_that_panics_is_undone_before_the_panic_goes_on() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    for step in ["user", "visitor", "between", "patient"] {
        panics(tenancy, step);
        assert_eq!(agreed(tenancy), [""; 0], "{step}");
    }
    // The key is free again.
    let admitted = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
    admitted.unwrap();
    assert_eq!(agreed(tenancy), ["Ada"]);
}

/// Past the commit it is finished by anybody, while the process it panicked in lives.
#[test]
fn one_that_panics_past_the_commit_is_left_to_whoever_finds_it() {
    let fleet = hospital();
    panics(&fleet.tenancy, "activate");
    let [left] = &fleet.tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run was left");
    };
    assert_eq!((left.state, left.is_alive), (RunState::Running, false));
    // It panics again when it is gone through by the other one, which then says so.
    let other = fleet.again();
    let [left] = &other.unfinished_workflows().unwrap()[..] else {
        panic!("one run is stuck");
    };
    assert_eq!(left.state, RunState::Stuck);
}

/// The library in which it got stuck goes on; mending what was in the way and trying again may be another one's.
#[test]
fn one_that_is_stuck_is_retried_by_any_process() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    veto(tenancy, "undo");
    let error = tenancy
        .run_workflow(&Admission, &id(), key("k"), with_trouble("Ada", "patient"))
        .unwrap_err();
    let WorkflowError::Stuck { id: run, .. } = error else {
        panic!("{error:?}");
    };
    lift_veto(tenancy);
    let other = fleet.again();
    assert_eq!(other.retry_workflow(run).unwrap(), RunState::Undone);
    assert_eq!(agreed(tenancy), [""; 0]);
}

/// Two hospitals that number their requests alike do not get each other's results.
#[test]
fn a_key_is_one_tenants_own() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    fleet.create("TH002");
    let other: TenantId = "TH002".parse().unwrap();
    let admit = |id: &TenantId, name| tenancy.run_workflow(&Admission, id, key("1"), who(name));
    let first = admit(&id(), "Ada").unwrap();
    let second = admit(&other, "Bea").unwrap();
    assert_ne!(first.0, second.0, "another user");
    assert_eq!(admit(&id(), "Ada").unwrap(), first);
    let spelled = "th002".parse().unwrap();
    assert_eq!(admit(&spelled, "Bea").unwrap(), second);

    // Nor does the next tenant of the same id.
    delete_at_once(tenancy, &other);
    tenancy.purge(&other, "TH002").unwrap();
    let kept = "SELECT count(output) AS count FROM __tenants_workflows";
    assert_eq!(number(&mut tenancy.shared().unwrap(), kept), 1);
    let new = NewTenant::named("Another").reuse_retired_id();
    tenancy.create(&other, new).unwrap();
    let third = admit(&other, "Bea").unwrap();
    assert_ne!(third.0, second.0);
}

#[test]
fn what_was_left_is_settled_while_the_tenant_is_closed() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    abandon(tenancy, "visitor");
    let [left] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run was left");
    };
    assert_eq!(
        (left.state, left.is_alive, left.is_registered),
        (RunState::Running, false, true)
    );
    tenancy.suspend(&id()).unwrap();
    // The step was not done: that is written into the tenant's database, closed as it is.
    assert_eq!(tenancy.recover().unwrap(), 1);
    tenancy.resume(&id()).unwrap();
    assert_eq!(agreed(tenancy), [""; 0]);
    // So it cannot be done any more, not even by a commit whose answer was lost.
    let late = "INSERT INTO __tenants_workflow_steps (run, number, step, phase) \
                SELECT run, number, step, 'done' FROM __tenants_workflow_steps WHERE phase = 'void'";
    let void = "SELECT count(*) AS count FROM __tenants_workflow_steps WHERE phase = 'void'";
    let mut ctx = tenancy.tenant(&id()).unwrap();
    assert_eq!(number(&mut ctx, void), 1);
    ctx.unrouted("play the lost commit", |raw| {
        diesel::sql_query(late).execute(raw)
    })
    .unwrap_err();
    drop(ctx);

    // A step in the tenant that is to be undone waits until it is open again.
    abandon(tenancy, "patient");
    tenancy.suspend(&id()).unwrap();
    assert_eq!(tenancy.recover().unwrap(), 0);
    assert_eq!(tenancy.unfinished_workflows().unwrap().len(), 1);
    tenancy.resume(&id()).unwrap();
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(agreed(tenancy), [""; 0]);
}

#[test]
fn what_was_left_of_a_tenant_that_is_gone_is_undone_in_the_shared_database() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    abandon(tenancy, "patient");
    delete_at_once(tenancy, &id());
    tenancy.purge(&id(), "TH001").unwrap();
    assert_eq!(tenancy.recover().unwrap(), 1);
    let users = users::table
        .count()
        .get_result::<i64>(&mut tenancy.shared().unwrap());
    assert_eq!(users.unwrap(), 0);
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
}

/// The tenant's database is right: one that does not know the run any more, as an older backup would not, undoes it.
#[test]
fn the_key_in_the_tenant_decides() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    panics(tenancy, "activate");
    tenancy
        .tenant(&id())
        .unwrap()
        .unrouted("play a restored database", |raw| {
            diesel::sql_query("DELETE FROM __tenants_workflow_steps").execute(raw)?;
            diesel::sql_query("DELETE FROM patients").execute(raw)
        })
        .unwrap();
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(agreed(tenancy), [""; 0]);
    // And one that knows it finishes it.
    abandon_past_commit(tenancy);
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(agreed(tenancy), ["Ada"]);
}

fn veto(tenancy: &Tenancy, of: &str) {
    let veto = users::name.eq(format!("veto on {of}"));
    let inserted = diesel::insert_into(users::table).values(veto);
    inserted.execute(&mut tenancy.shared().unwrap()).unwrap();
}

fn lift_veto(tenancy: &Tenancy) {
    let vetoes = users::table.filter(users::name.like("veto%"));
    diesel::delete(vetoes)
        .execute(&mut tenancy.shared().unwrap())
        .unwrap();
}

/// Leaves an admission whose patient is there and whose user is not active.
fn abandon_past_commit(tenancy: &Tenancy) {
    veto(tenancy, "activate");
    let error = tenancy
        .run_workflow(&Admission, &id(), key("k"), who("Ada"))
        .unwrap_err();
    let WorkflowError::Unfinished { step, source, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(
        (step.as_str(), source.to_string()),
        ("activate", "there is a veto".to_owned())
    );
    assert!(error.is_retryable());
    lift_veto(tenancy);
}

#[test]
fn past_the_commit_it_is_finished_by_whoever_asks_again() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    abandon_past_commit(tenancy);
    let (users, patients) = sides(tenancy);
    assert_eq!(
        (users, patients),
        (vec!["pending Ada".to_owned()], vec!["Ada".to_owned()])
    );
    let admit = |tenancy: &Tenancy| {
        let admitted = tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
        admitted.unwrap()
    };
    let first = admit(tenancy);
    assert_eq!(agreed(tenancy), ["Ada"]);
    assert_eq!(admit(tenancy), first);

    // By another process, too, although this one is alive: opening finishes what nobody works on.
    let fleet = hospital();
    abandon_past_commit(&fleet.tenancy);
    let other = fleet.again();
    assert_eq!(agreed(&other), ["Ada"]);
    admit(&other);
    assert_eq!(agreed(&fleet.tenancy), ["Ada"]);
}

#[test]
fn an_undo_that_refuses_is_listed_and_can_be_retried() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    veto(tenancy, "undo");
    let refused = with_trouble("Ada", "patient");
    let error = tenancy
        .run_workflow(&Admission, &id(), key("k"), refused.clone())
        .unwrap_err();
    let WorkflowError::Stuck { id: run, step, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(step, "user");
    let [listed] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is stuck");
    };
    assert_eq!((listed.id, listed.state), (*run, RunState::Stuck));
    assert_eq!(listed.failure.as_deref(), Some("undoing it failed"));
    // It is left alone by recovery and by those who ask again.
    assert_eq!(tenancy.recover().unwrap(), 0);
    let again = tenancy.run_workflow(&Admission, &id(), key("k"), refused);
    assert!(matches!(again, Err(WorkflowError::Stuck { .. })));
    let again = tenancy.retry_workflow(*run).unwrap_err();
    assert!(matches!(again, WorkflowError::Stuck { .. }), "{again:?}");
    lift_veto(tenancy);
    assert_eq!(tenancy.retry_workflow(*run).unwrap(), RunState::Undone);
    assert_eq!(agreed(tenancy), [""; 0]);
}

#[test]
fn a_workflow_this_build_does_not_know_is_left_alone() {
    let fleet = hospital();
    abandon_past_commit(&fleet.tenancy);
    let root = fleet.root.clone();
    let Fleet { tenancy, _dir, .. } = fleet;
    drop(tenancy);
    let stranger = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(&root);
    let stranger = stranger
        .shared_migrations(crate::app::shared_migrations())
        .tenant_migrations(crate::app::tenant_migrations())
        .open()
        .unwrap();
    let [left] = &stranger.unfinished_workflows().unwrap()[..] else {
        panic!("one run was left");
    };
    assert!(!left.is_registered && !left.is_alive);
    let refused = stranger.run_workflow(&Admission, &id(), None, who("Bea"));
    assert!(matches!(refused, Err(WorkflowError::NotRegistered { .. })));
    let refused = stranger.retry_workflow(left.id);
    assert!(matches!(refused, Err(WorkflowError::NotRegistered { .. })));
    drop(stranger);
    assert_eq!(agreed(&builder(&root).open().unwrap()), ["Ada"]);
}

/// A panic comes again each time the steps are gone through; it must not keep the library from being opened.
#[test]
fn a_run_that_panics_in_recovery_is_stuck_and_stops_nobody() {
    let fleet = hospital();
    panics(&fleet.tenancy, "activate");
    assert_eq!(fleet.tenancy.recover().unwrap(), 0);
    let [run] = &fleet.tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is stuck");
    };
    assert_eq!(
        run.failure.as_deref(),
        Some("going through it again panicked")
    );
    fleet.again().tenant(&id()).unwrap();
}

/// Nothing of what it was given is in errors, in `Debug`, or in the journal afterwards.
#[test]
fn what_a_run_was_given_stays_in_the_journal_and_not_for_long() {
    const CANARY: &str = "CANARY-Jane-Roe";
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    let mut printed = String::new();
    for step in ["user", "visitor", "patient", "activate"] {
        let refused = with_trouble(CANARY, step);
        let run_key = key("CANARY-key");
        printed += &format!("{run_key:?}");
        let error = tenancy
            .run_workflow(&Admission, &id(), run_key, refused)
            .unwrap_err();
        printed += &format!("{error} {error:?}");
        printed += &format!("{:?}", tenancy.unfinished_workflows().unwrap());
        let error = Error::from(error);
        printed += &format!("{error} {error:?}");
    }
    // One whose input does not fit any more.
    spoil(
        tenancy,
        "UPDATE __tenants_workflows SET input = '\"CANARY-Jane-Roe\"'",
    );
    assert_eq!(tenancy.recover().unwrap(), 0);
    let [run] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is stuck");
    };
    assert_eq!(
        run.failure.as_deref(),
        Some("what it was given cannot be read")
    );
    let error = tenancy.retry_workflow(run.id).unwrap_err();
    printed += &format!("{run:?} {error} {error:?}");
    assert!(!printed.contains("CANARY"), "{printed}");
    assert!(printed.contains("Told"), "{printed}");

    let fleet = hospital();
    fleet
        .tenancy
        .run_workflow(&Admission, &id(), key("k"), who(&CANARY.repeat(1_000)))
        .unwrap();
    // Nor in free pages, and so in backups, once the rows that are kept are gone as well.
    use diesel::connection::SimpleConnection;
    let mut shared = fleet.tenancy.shared().unwrap();
    shared.raw(|conn| {
        conn.batch_execute("UPDATE users SET name = 'x'; PRAGMA wal_checkpoint(TRUNCATE);")
    });
    drop(shared);
    for file in ["shared.sqlite3", "shared.sqlite3-wal"] {
        let bytes = std::fs::read(fleet.root.join(file)).unwrap_or_default();
        let found = bytes
            .windows(CANARY.len())
            .any(|at| at == CANARY.as_bytes());
        assert!(!found, "it is in {file}");
    }
    let held = "SELECT (SELECT count(input) FROM __tenants_workflows)
                     + (SELECT count(result) FROM __tenants_workflow_journal) AS count";
    assert_eq!(number(&mut fleet.tenancy.shared().unwrap(), held), 0);
    let held = "SELECT count(result) AS count FROM __tenants_workflow_steps";
    let mut ctx = fleet.tenancy.tenant(&id()).unwrap();
    assert_eq!(number(&mut ctx, held), 0);
    let keys = "SELECT count(*) AS count FROM __tenants_workflow_steps";
    assert_eq!(number(&mut ctx, keys), 2);
}

trait Raw {
    fn raw<T>(&mut self, f: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>) -> T;
}
impl Raw for SharedContext {
    fn raw<T>(&mut self, f: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>) -> T {
        self.unrouted("look into the journal", |raw| f(raw.connection()))
            .unwrap()
    }
}
impl Raw for TenantContext {
    fn raw<T>(&mut self, f: impl FnOnce(&mut SqliteConnection) -> QueryResult<T>) -> T {
        self.unrouted("look at the keys", |raw| f(raw.connection()))
            .unwrap()
    }
}

fn number(ctx: &mut impl Raw, sql: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    use diesel::query_dsl::RunQueryDsl;
    ctx.raw(|conn| RunQueryDsl::get_result::<Count>(diesel::sql_query(sql), conn))
        .count
}

fn spoil(tenancy: &Tenancy, sql: &str) {
    use diesel::connection::SimpleConnection;
    tenancy
        .shared()
        .unwrap()
        .raw(|conn| conn.batch_execute(sql));
}

/// What is done and what is written down about it are one transaction: without the one there is not the other.
#[test]
fn what_cannot_be_written_down_is_not_done() {
    use diesel::connection::SimpleConnection;
    const VETO: &str = "BEGIN SELECT RAISE(ABORT, 'veto'); END";
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    let admit = |name| tenancy.run_workflow(&Admission, &id(), None, who(name));
    let in_tenant = |sql: &str| {
        let mut ctx = tenancy.tenant(&id()).unwrap();
        ctx.raw(|conn| conn.batch_execute(sql));
    };
    // A step in the shared database.
    let veto = format!("CREATE TRIGGER veto BEFORE INSERT ON __tenants_workflow_journal {VETO}");
    spoil(tenancy, &veto);
    let error = admit("Ada").unwrap_err();
    assert!(
        matches!(error, WorkflowError::Journal { step: "user", .. }),
        "{error:?}"
    );
    assert_eq!(agreed(tenancy), [""; 0]);
    spoil(tenancy, "DROP TRIGGER veto");
    // One in the tenant's, where the table is there by now.
    admit("Bea").unwrap();
    in_tenant(&format!(
        "CREATE TRIGGER veto BEFORE INSERT ON __tenants_workflow_steps {VETO}"
    ));
    let error = admit("Cyd").unwrap_err();
    assert!(
        matches!(
            error,
            WorkflowError::Journal {
                step: "visitor",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(agreed(tenancy), ["Bea"]);
    in_tenant("DROP TRIGGER veto");
    // The last one, past the commit.
    let veto = format!(
        "CREATE TRIGGER veto BEFORE UPDATE ON __tenants_workflows \
         WHEN NEW.state IN ('done', 'finished') {VETO}"
    );
    spoil(tenancy, &veto);
    let error = admit("Dee").unwrap_err();
    assert!(
        matches!(error, WorkflowError::Unfinished { .. }),
        "{error:?}"
    );
    assert_eq!(sides(tenancy).0, ["Bea", "pending Dee"]);
    spoil(tenancy, "DROP TRIGGER veto");
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(agreed(tenancy), ["Bea", "Dee"]);
}

#[test]
fn of_two_processes_with_one_key_one_admits_and_both_are_told() {
    let fleet = hospital();
    let mut processes = [0, 1].map(|_| Actor::spawn("admit when told", &fleet.root));
    for process in &mut processes {
        assert_eq!(process.hear().unwrap(), "ready");
    }
    let mut expected = Vec::new();
    for round in 0..10 {
        let name = format!("patient {round:02}");
        processes.iter_mut().for_each(|process| process.tell(&name));
        let [one, other] = processes.each_mut().map(|process| process.hear().unwrap());
        assert_eq!(one, other, "{name}");
        assert!(one.starts_with(|c: char| c.is_ascii_digit()), "{one}");
        expected.push(name);
    }
    assert_eq!(agreed(&fleet.tenancy), expected);
}

#[test]
fn many_threads_and_many_keys() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    let results = parking_lot::Mutex::new(BTreeMap::<usize, Vec<(i32, i32)>>::new());
    let busy = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let (results, busy) = (&results, &busy);
            threads.spawn(move || {
                // Each key is asked for by four threads.
                for number in 0..16 {
                    let number = number * 2 + thread % 2;
                    let name = format!("patient {number:02}");
                    let result = loop {
                        match tenancy.run_workflow(&Admission, &id(), key(&name), who(&name)) {
                            Ok(result) => break result,
                            Err(WorkflowError::InProgress { .. }) => {
                                busy.fetch_add(1, Ordering::Relaxed);
                                std::thread::yield_now();
                            }
                            Err(other) => panic!("{other:?}"),
                        }
                    };
                    results.lock().entry(number).or_default().push(result);
                }
            });
        }
    });
    for results in results.into_inner().values() {
        assert_eq!(results.len(), 4);
        assert!(
            results.iter().all(|result| result == &results[0]),
            "{results:?}"
        );
    }
    assert!(busy.into_inner() > 0, "no two threads met");
    assert_eq!(agreed(tenancy).len(), 32);
}

#[derive(Debug, Clone)]
enum Move {
    Admit(usize),
    Fail(usize, &'static str),
    Crash(usize, &'static str),
    Recover,
    Close,
}

fn moves() -> impl Strategy<Value = Move> {
    let step = prop::sample::select(vec!["user", "visitor", "between", "patient"]);
    let crash = prop::sample::select(vec!["user", "visitor", "between", "patient", "activate"]);
    prop_oneof![
        3 => (0..3usize).prop_map(Move::Admit),
        2 => (0..3usize, step).prop_map(|(key, step)| Move::Fail(key, step)),
        3 => (0..3usize, crash).prop_map(|(key, step)| Move::Crash(key, step)),
        1 => Just(Move::Recover),
        1 => Just(Move::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever fails and crashes in whatever order: who was admitted, by what was answered, is on both sides once, and
    /// nobody else is on any.
    #[test]
    fn both_sides_are_what_was_answered(moves in prop::collection::vec(moves(), 1..12)) {
        let fleet = hospital();
        let mut tenancy = fleet.tenancy.clone();
        // The input of a key's run must be the same each time, so each trouble has keys of its own.
        let mut admitted = BTreeMap::new();
        for (turn, next) in moves.into_iter().enumerate() {
            match next {
                Move::Admit(number) => {
                    let name = format!("patient {number}");
                    let result = tenancy.run_workflow(&Admission, &id(), key(&name), who(&name));
                    let result = result.unwrap();
                    let before = admitted.insert(name, result);
                    prop_assert!(before.is_none_or(|before| before == result));
                }
                Move::Fail(number, step) => {
                    let name = format!("failing {number}");
                    let trouble = with_trouble(&name, step);
                    let run_key = key(&format!("{name} {step}"));
                    let result = tenancy.run_workflow(&Admission, &id(), run_key, trouble);
                    let failed = matches!(result, Err(WorkflowError::Failed { .. }));
                    prop_assert!(failed);
                }
                Move::Crash(number, step) => {
                    let name = format!("crashing {number} {turn}");
                    let trouble = with_trouble(&name, &format!("!{step}"));
                    let run = || tenancy.run_workflow(&Admission, &id(), key(&name), trouble);
                    prop_assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
                }
                Move::Recover => drop(tenancy.recover().unwrap()),
                Move::Close => {
                    let other = fleet.again();
                    tenancy = other;
                }
            }
            let (users, patients) = sides(&tenancy);
            for name in admitted.keys() {
                prop_assert_eq!(users.iter().filter(|user| *user == name).count(), 1);
                prop_assert_eq!(patients.iter().filter(|patient| *patient == name).count(), 1);
            }
        }
    }
}
