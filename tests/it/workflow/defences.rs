//! Workflows that go astray in ways the two others do not.
use diesel_tenants::WorkflowError;
use diesel_tenants::prelude::*;
use diesel_tenants::workflow::RunState;

use super::admission::{Refused, insert_patient, insert_user, no_veto};
use super::tried::{Tried, ada, hospital_with};
use super::{id, key, lift_veto, number, sides, spoil, veto};
use crate::app::delete_at_once;

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
