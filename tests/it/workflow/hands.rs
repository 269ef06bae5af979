//! Runs that two would work on, tenants that become others meanwhile, and what was undone already.
use diesel_tenants::audit::AuditFilter;
use diesel_tenants::prelude::*;
use diesel_tenants::workflow::RunState;
use diesel_tenants::{OpenError, WorkflowError};

use super::admission::{Admission, Refused, insert_patient, insert_user, no_veto, who};
use super::tried::{Meanwhile, Tried, ada, hospital_with};
use super::{
    abandon, abandon_past_commit, agreed, hospital, id, key, lift_veto, sides, spoil, veto,
    with_trouble,
};
use crate::app::{builder, delete_at_once, fleet_with, patients, users};

/// A user and a patient; something may happen before the first step, and before the second.
fn meddled(
    first: impl FnOnce() + Send + 'static,
    between: impl FnOnce() + Send + 'static,
) -> Tried<(), (i32, i32)> {
    let (first, between) = (Meanwhile::of(first), Meanwhile::of(between));
    Tried::of(move |flow, ()| {
        first.happen();
        let user = ada(flow)?;
        between.happen();
        let patient = flow.committing();
        let patient = patient.tenant("patient", |tenant| Ok(insert_patient(tenant, "Ada")?))?;
        Ok((user, patient))
    })
}

fn nothing() {}

fn unmeddled() -> Tried<(), (i32, i32)> {
    meddled(nothing, nothing)
}

/// Fails after two steps. Undoing the second, in the tenant if it is asked for, leaves a trace; undoing the first may be
/// refused.
fn traced() -> Tried<bool> {
    Tried::of(|flow, in_tenant| {
        flow.shared_or_undo("first", |_| Ok(()), |shared, ()| no_veto(shared, "undo"))?;
        match in_tenant {
            true => flow.tenant_or_undo(
                "second",
                |_| Ok(()),
                |tenant, ()| Ok(insert_patient(tenant, "undone").map(drop)?),
            )?,
            false => flow.shared_or_undo(
                "second",
                |_| Ok(()),
                |shared, ()| Ok(insert_user(shared, "undone").map(drop)?),
            )?,
        }
        Err(Refused::Veto.into())
    })
}

/// Makes a tenant with a row in it, something that rests on that, and fails.
fn founded() -> Tried {
    Tried::of(|flow, ()| {
        flow.create_tenant("database", NewTenant::named("New"))?;
        flow.tenant("row", |tenant| Ok(insert_patient(tenant, "first")?))?;
        flow.shared("looked at", |_| Ok(()))?;
        Err(Refused::Veto.into())
    })
}

/// Does something in a tenant, which may be gone by the time that is undone.
fn lost(meanwhile: impl FnOnce() + Send + 'static) -> Tried {
    let meanwhile = Meanwhile::of(meanwhile);
    Tried::of(move |flow, ()| {
        flow.tenant_or_undo(
            "row",
            |tenant| Ok(insert_patient(tenant, "first")?),
            |tenant, row: i32| {
                diesel::delete(patients::table.find(row)).execute(tenant)?;
                Ok(())
            },
        )?;
        meanwhile.happen();
        Err(Refused::Veto.into())
    })
}

/// Has no step that commits: it does when it is over, by a last step if that is asked for.
fn plain() -> Tried<bool> {
    Tried::of(|flow, by_a_step| {
        ada(flow)?;
        match by_a_step {
            true => flow.finish("end", |_| Ok(())),
            false => Ok(()),
        }
    })
}

/// Goes on after its end.
fn endless() -> Tried {
    Tried::of(|flow, ()| {
        flow.finish("end", |shared| Ok(insert_user(shared, "Ada").map(drop)?))?;
        flow.shared("more", |shared| Ok(insert_user(shared, "Bea").map(drop)?))
    })
}

#[test]
fn while_somebody_works_on_a_run_nobody_else_does() {
    let fleet = hospital_with(unmeddled());
    let other = builder(&fleet.root).workflow(unmeddled()).open().unwrap();
    let same = fleet.tenancy.clone();
    let meddling = meddled(nothing, move || {
        for tenancy in [&same, &other] {
            assert_eq!(tenancy.recover().unwrap(), 0);
            let again = tenancy.run_workflow(&unmeddled(), &id(), key("k"), ());
            assert!(matches!(again, Err(WorkflowError::InProgress { .. })));
        }
    });
    let done = fleet.tenancy.run_workflow(&meddling, &id(), key("k"), ());
    done.unwrap();
    assert_eq!(agreed(&fleet.tenancy), ["Ada"]);
}

/// Both found the key free; the database lets one of them have it, in whatever spelling of the tenant's id.
#[test]
fn a_key_that_was_taken_meanwhile_gives_what_its_run_gave() {
    let fleet = hospital_with(unmeddled());
    let tenancy = fleet.tenancy.clone();
    let meddling = meddled(
        move || {
            let spelled = "th001".parse().unwrap();
            let quicker = tenancy.run_workflow(&unmeddled(), &spelled, key("k"), ());
            quicker.unwrap();
        },
        nothing,
    );
    let late = fleet.tenancy.run_workflow(&meddling, &id(), key("k"), ());
    assert_eq!(agreed(&fleet.tenancy), ["Ada"]);
    let again = fleet
        .tenancy
        .run_workflow(&unmeddled(), &id(), key("k"), ());
    assert_eq!(late.unwrap(), again.unwrap());
    // It is the workflow's own, too.
    let another = fleet
        .tenancy
        .run_workflow(&Admission, &id(), key("k"), who("Bea"));
    another.unwrap();
}

#[test]
fn whoever_is_late_takes_no_run_over() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    abandon_past_commit(tenancy);
    let run = tenancy.unfinished_workflows().unwrap()[0].id;
    // Somebody else does so between the look and the grasp.
    for quicker in ["instance = randomblob(16)", "state = 'stuck'"] {
        spoil(
            tenancy,
            &format!(
                "CREATE TRIGGER quicker AFTER INSERT ON __tenants_audit WHEN NEW.action = 'workflow.retry'
                 BEGIN UPDATE __tenants_workflows SET {quicker}; END"
            ),
        );
        let late = tenancy.retry_workflow(run);
        assert!(
            matches!(late, Err(WorkflowError::InProgress { .. })),
            "{late:?}"
        );
        spoil(tenancy, "DROP TRIGGER quicker");
        spoil(
            tenancy,
            "UPDATE __tenants_workflows SET instance = zeroblob(16), state = 'running'",
        );
    }
    assert_eq!(tenancy.retry_workflow(run).unwrap(), RunState::Done);
    assert_eq!(agreed(tenancy), ["Ada"]);
}

/// The id is another tenant's when the step comes to it.
#[test]
fn a_step_is_not_done_in_the_next_tenant_of_the_id() {
    let fleet = hospital_with(unmeddled());
    let tenancy = fleet.tenancy.clone();
    let meddling = meddled(nothing, move || {
        delete_at_once(&tenancy, &id());
        tenancy.purge(&id(), "TH001").unwrap();
        let new = NewTenant::named("Another").reuse_retired_id();
        tenancy.create(&id(), new).unwrap();
    });
    let refused = fleet.tenancy.run_workflow(&meddling, &id(), key("k"), ());
    let Err(WorkflowError::Open { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(
        matches!(*source, OpenError::UnknownTenant { .. }),
        "{source:?}"
    );
    assert_eq!(agreed(&fleet.tenancy), [""; 0]);
}

#[test]
fn what_was_undone_is_not_undone_again() {
    let fleet = hospital_with(traced());
    let tenancy = &fleet.tenancy;
    for in_tenant in [false, true] {
        veto(tenancy, "undo");
        let left = tenancy.run_workflow(&traced(), &id(), None, in_tenant);
        let Err(WorkflowError::Stuck { id: run, .. }) = left else {
            panic!("{left:?}");
        };
        lift_veto(tenancy);
        assert_eq!(tenancy.retry_workflow(run).unwrap(), RunState::Undone);
    }
    assert_eq!(agreed(tenancy), ["undone"]);
}

/// The process dies after the tenant was removed and before that is noted: the steps that were done in it are not missed.
#[test]
fn the_steps_in_a_tenant_that_was_removed_are_not_missed() {
    let fleet = fleet_with(|builder| builder.workflow(founded()));
    let tenancy = &fleet.tenancy;
    spoil(
        tenancy,
        "CREATE TRIGGER veto BEFORE UPDATE ON __tenants_workflow_journal WHEN NEW.phase = 'undone'
         BEGIN SELECT RAISE(ABORT, 'veto'); END",
    );
    let left = tenancy.run_workflow(&founded(), &id(), None, ());
    assert!(
        matches!(left, Err(WorkflowError::Unfinished { .. })),
        "{left:?}"
    );
    spoil(tenancy, "DROP TRIGGER veto");
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    assert_eq!(tenancy.tenants().unwrap().len(), 0);
    // Nobody was ever told of it, so its id is anybody's.
    fleet.create("TH001");
}

/// A tenant that is being purged is as good as gone: what was left of a run does not wait for its end.
#[test]
fn what_was_left_of_a_tenant_that_is_going_is_undone() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    abandon(tenancy, "patient");
    spoil(
        tenancy,
        "UPDATE __tenants_tenants SET status = 'deleting', change_seq = change_seq + 1000;
         UPDATE __tenants_catalog SET change_seq = change_seq + 1000",
    );
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    let users = users::table.count();
    let users: i64 = users.get_result(&mut tenancy.shared().unwrap()).unwrap();
    assert_eq!(users, 0);
}

#[test]
fn no_step_comes_after_the_end() {
    let fleet = hospital_with(endless());
    let error = fleet.tenancy.run_workflow(&endless(), &id(), None, ());
    let error = error.unwrap_err();
    assert!(matches!(error, WorkflowError::Stuck { .. }), "{error:?}");
    assert_eq!(sides(&fleet.tenancy).0, ["Ada"]);
}

#[test]
fn a_workflow_of_the_same_name_is_another_one() {
    let fleet = hospital_with(unmeddled());
    // Of the same kind, and so the same name.
    let impostor = Tried::<()>::of(|_, ()| Ok(()));
    let refused = fleet.tenancy.run_workflow(&impostor, &id(), None, ());
    assert!(matches!(refused, Err(WorkflowError::NotRegistered { .. })));
}

/// Whoever tried in vain does not keep it from the others for as long as they live.
#[test]
fn what_one_could_not_settle_another_one_does() {
    let fleet = hospital();
    let tenancy = &fleet.tenancy;
    abandon(tenancy, "patient");
    tenancy.suspend(&id()).unwrap();
    assert_eq!(tenancy.recover().unwrap(), 0);
    tenancy.resume(&id()).unwrap();
    let other = fleet.again();
    assert_eq!(agreed(&other), [""; 0]);
}

#[test]
fn what_was_done_in_a_tenant_is_undone_with_it() {
    let fleet = hospital_with(lost(nothing));
    let tenancy = fleet.tenancy.clone();
    let losing = lost(move || {
        delete_at_once(&tenancy, &id());
        tenancy.purge(&id(), "TH001").unwrap();
    });
    let failed = fleet.tenancy.run_workflow(&losing, &id(), None, ());
    assert!(
        matches!(failed, Err(WorkflowError::Failed { .. })),
        "{failed:?}"
    );
    assert_eq!(fleet.tenancy.unfinished_workflows().unwrap(), []);
}

/// All of its steps were done, and it was not over: nobody was told that it was done, so it is not.
#[test]
fn a_run_that_was_not_over_is_undone() {
    let fleet = hospital_with(plain());
    let tenancy = &fleet.tenancy;
    for by_a_step in [true, false] {
        spoil(
            tenancy,
            "CREATE TRIGGER veto BEFORE UPDATE ON __tenants_workflow_journal WHEN NEW.phase = 'undone'
             BEGIN SELECT RAISE(ABORT, 'veto'); END;
             CREATE TRIGGER veto_too BEFORE UPDATE ON __tenants_workflows WHEN NEW.state = 'done'
             BEGIN SELECT RAISE(ABORT, 'veto'); END",
        );
        let left = tenancy.run_workflow(&plain(), &id(), None, by_a_step);
        assert!(
            matches!(left, Err(WorkflowError::Unfinished { .. })),
            "{left:?}"
        );
        spoil(tenancy, "DROP TRIGGER veto; DROP TRIGGER veto_too");
        assert_eq!(tenancy.recover().unwrap(), 1);
        assert_eq!(agreed(tenancy), [""; 0], "{by_a_step}");
    }
}

#[test]
fn of_a_run_that_never_began_there_is_no_entry() {
    let fleet = hospital();
    let failed = fleet
        .tenancy
        .run_workflow(&Admission, &id(), None, with_trouble("Ada", "user"));
    failed.unwrap_err();
    let entries = fleet.tenancy.audit_entries(&AuditFilter::all(), 1_000);
    let of_runs = |action: &String| action.starts_with("workflow.");
    let actions = entries.unwrap().into_iter().map(|entry| entry.action);
    assert_eq!(actions.filter(of_runs).count(), 0);
}
