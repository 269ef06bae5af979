//! Workflows that go astray in ways the two others do not.
use diesel_tenants::WorkflowError;
use diesel_tenants::prelude::*;
use diesel_tenants::workflow::RunState;

use super::admission::{Refused, insert_patient, insert_user, no_veto};
use super::tried::{Tried, ada, hospital_with};
use super::{id, key, lift_veto, number, sides, spoil, veto};
use crate::app::{builder, delete_at_once, fleet_with, users};

/// Goes on after a step that failed, as if nothing had been.
fn stubborn() -> Tried {
    Tried::of(|flow, ()| {
        ada(flow)?;
        let _ = flow.shared("veto", |_| Err::<(), _>(Refused::Veto));
        let _ = flow.tenant("patient", |tenant| Ok(insert_patient(tenant, "Ada")?));
        Ok(())
    })
}

/// Has steps in the shared database after the one in the tenant's that commits, and verbs.
fn long() -> Tried {
    Tried::of(|flow, ()| {
        let code = *flow.tenant_id();
        flow.committing()
            .tenant("patient", |tenant| Ok(insert_patient(tenant, "Ada")?))?;
        flow.shared("user", |shared| Ok(insert_user(shared, "Ada")?))?;
        flow.verb("quota", |tenancy| {
            let quota = tenancy.usage(&code).unwrap().quota.unwrap_or(1_000_000_000);
            tenancy.set_quota(&code, Some(quota + 1)).unwrap();
            Ok(())
        })?;
        flow.shared("veto", |shared| no_veto(shared, "long"))
    })
}

/// Calls a verb where nobody could say whether to undo it.
fn hasty() -> Tried {
    Tried::of(|flow, ()| {
        flow.shared("user", |shared| Ok(insert_user(shared, "Ada")?))?;
        flow.verb("suspend", |tenancy| {
            tenancy.suspend(&id()).unwrap();
            Ok(())
        })
    })
}

/// Fails after a step whose undo panics as long as there is a veto.
fn brittle() -> Tried {
    Tried::of(|flow, ()| {
        flow.shared_or_undo(
            "user",
            |shared| Ok(insert_user(shared, "Ada")?),
            |shared, user: i32| {
                no_veto(shared, "undo").expect("told to panic");
                diesel::delete(users::table.find(user)).execute(shared)?;
                Ok(())
            },
        )?;
        Err(Refused::Veto.into())
    })
}

/// A step in the tenant's database in which nothing is written but its key.
fn look() -> Tried {
    Tried::of(|flow, ()| flow.tenant("look", |_| Ok(())))
}

#[test]
fn one_that_goes_on_after_a_halt_is_undone_all_the_same() {
    let fleet = hospital_with(stubborn());
    let tenancy = &fleet.tenancy;
    let error = tenancy
        .run_workflow(&stubborn(), &id(), None, ())
        .unwrap_err();
    assert!(
        matches!(error, WorkflowError::Failed { step: "veto", .. }),
        "{error:?}"
    );
    assert_eq!(sides(tenancy), (vec![], vec![]));
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
}

/// Leaves a run past its commit, with steps after it.
fn left(tenancy: &Tenancy) {
    veto(tenancy, "long");
    let error = tenancy
        .run_workflow(&long(), &id(), key("k"), ())
        .unwrap_err();
    assert!(
        matches!(&error, WorkflowError::Unfinished { step, .. } if step == "veto"),
        "{error:?}"
    );
    lift_veto(tenancy);
}

fn stuck(tenancy: &Tenancy, says: &str) {
    assert_eq!(tenancy.recover().unwrap(), 0);
    let [run] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is stuck");
    };
    assert_eq!(
        (run.state, run.failure.as_deref()),
        (RunState::Stuck, Some(says))
    );
}

/// What came after it was done, so it was, too: doing it again would do it twice.
#[test]
fn a_tenant_that_forgot_what_later_steps_rest_on_is_for_somebody_to_look_at() {
    let fleet = hospital_with(long());
    let tenancy = &fleet.tenancy;
    left(tenancy);
    tenancy
        .tenant(&id())
        .unwrap()
        .unrouted("play a restored database", |raw| {
            diesel::sql_query("DELETE FROM __tenants_workflow_steps").execute(raw)
        })
        .unwrap();
    stuck(
        tenancy,
        "the tenant's database does not know what was done in it",
    );
}

#[test]
fn a_tenant_that_is_gone_under_later_steps_is_for_somebody_to_look_at() {
    let fleet = hospital_with(long());
    let tenancy = &fleet.tenancy;
    left(tenancy);
    delete_at_once(tenancy, &id());
    tenancy.purge(&id(), id().as_str()).unwrap();
    stuck(tenancy, "the tenant is gone");
}

#[test]
fn steps_that_are_not_those_it_was_begun_with_are_not_gone_through() {
    for sql in [
        "UPDATE __tenants_workflow_journal SET step = 'other' WHERE step = 'user'",
        "UPDATE __tenants_workflow_journal SET step = 'other' WHERE step = 'quota'",
    ] {
        let fleet = hospital_with(long());
        let tenancy = &fleet.tenancy;
        left(tenancy);
        spoil(tenancy, sql);
        stuck(tenancy, "its steps are not those it was begun with");
    }
    let fleet = hospital_with(long());
    let tenancy = &fleet.tenancy;
    left(tenancy);
    tenancy
        .tenant(&id())
        .unwrap()
        .unrouted("play another program's step", |raw| {
            diesel::sql_query("UPDATE __tenants_workflow_steps SET step = 'other'").execute(raw)
        })
        .unwrap();
    stuck(tenancy, "its steps are not those it was begun with");
}

#[test]
fn a_verb_that_the_journal_has_is_not_called_again() {
    let fleet = hospital_with(long());
    let tenancy = &fleet.tenancy;
    left(tenancy);
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(
        sides(tenancy),
        (vec!["Ada".to_owned()], vec!["Ada".to_owned()])
    );
    assert_eq!(tenancy.usage(&id()).unwrap().quota, Some(1_000_000_001));
}

#[test]
fn a_verb_before_the_commit_is_not_called() {
    let fleet = hospital_with(hasty());
    let tenancy = &fleet.tenancy;
    let error = tenancy.run_workflow(&hasty(), &id(), None, ()).unwrap_err();
    assert!(matches!(error, WorkflowError::Stuck { .. }), "{error:?}");
    tenancy.tenant(&id()).unwrap();
}

/// Runs without a key leave no result, and are forgotten; of those with one nobody can guess what they were given.
#[test]
fn what_stays_of_a_run_says_nothing() {
    let fleet = hospital_with(long());
    let tenancy = &fleet.tenancy;
    for run_key in [key("k"), key("l"), None, None, None, None, None] {
        tenancy.run_workflow(&long(), &id(), run_key, ()).unwrap();
    }
    let count = |what: &str| {
        let sql = format!("SELECT {what} AS count FROM __tenants_workflows");
        number(&mut tenancy.shared().unwrap(), &sql)
    };
    assert_eq!(count("count(output)"), 2);
    assert_eq!(count("count(DISTINCT digest) - count(*)"), 0);
    assert!(count("count(*)") < 7, "none was forgotten");
}

/// The panic went on to whoever had asked for the run, which no other process could touch for as long as that one lived.
#[test]
fn an_undo_that_panics_the_first_time_is_stuck_and_retried_by_any_process() {
    let fleet = hospital_with(brittle());
    let tenancy = &fleet.tenancy;
    veto(tenancy, "undo");
    let run = || tenancy.run_workflow(&brittle(), &id(), None, ());
    let error = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    let error = error.expect("it is an error and no panic").unwrap_err();
    let WorkflowError::Stuck {
        id: run, failure, ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(failure, "undoing it panicked");
    stuck(tenancy, "undoing it panicked");
    lift_veto(tenancy);
    let other = builder(&fleet.root).workflow(brittle());
    let other = other.open().unwrap();
    assert_eq!(other.retry_workflow(*run).unwrap(), RunState::Undone);
    assert_eq!(sides(tenancy).0, [""; 0]);
}

/// The first key in a tenant makes the table of keys, on which no trigger stands. A connection that is older than the fence
/// wrote it into the database that had been copied already, and the one in use never heard of it.
#[test]
fn no_key_is_written_into_a_database_that_is_fenced() {
    use std::time::Duration;

    let fleet = fleet_with(|builder| {
        let builder = builder.freshness(Duration::from_secs(3600));
        builder.workflow(look())
    });
    let tenant = fleet.create("TH001");
    // A warm connection of a process that does not know yet.
    drop(tenant.enter().unwrap());
    fleet.again().compact(&id()).unwrap();
    let run = || fleet.tenancy.run_workflow(&look(), &id(), key("k"), ());
    let late = run().unwrap_err();
    assert!(
        matches!(&late, WorkflowError::Journal { step: "look", .. }),
        "{late:?}"
    );
    // Asked again it is done, in the database that is in use.
    run().unwrap();
    let keys = "SELECT count(*) AS count FROM __tenants_workflow_steps WHERE phase = 'done'";
    let again = fleet.again();
    assert_eq!(number(&mut again.tenant(&id()).unwrap(), keys), 1);
}
