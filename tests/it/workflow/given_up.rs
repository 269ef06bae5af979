//! Runs that are given up, and what is kept of runs that are over.
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use diesel_tenants::access::Principal;
use diesel_tenants::audit::AuditFilter;
use diesel_tenants::prelude::*;
use diesel_tenants::workflow::{AbandonedRun, Flow, Halt, RunState, Workflow};
use diesel_tenants::{Error, WorkflowError};
use uuid::Uuid;

use super::admission::{Refused, insert_patient, insert_user, no_veto};
use super::{id, key, lift_veto, number, sides, spoil, veto};
use crate::actors::say;
use crate::app::{builder, delete_at_once};

type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A user, a patient, which commits, and a verb that fails as long as there is a veto. It is alone on its tenant.
#[derive(Clone, Default)]
struct Sunk(Meanwhile);

impl Workflow for Sunk {
    const NAME: &'static str = "sunk";
    const ALONE: bool = true;
    type Input = String;
    type Output = ();
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        name: &'a String,
    ) -> Result<(), Halt<Refused>> {
        flow.shared("user", |shared| Ok(insert_user(shared, name)?))?;
        flow.committing()
            .tenant("patient", |tenant| Ok(insert_patient(tenant, name)?))?;
        flow.verb("verb", |tenancy| {
            let meanwhile = self.0.lock().unwrap().take();
            meanwhile.into_iter().for_each(|happens| happens());
            no_veto(&mut tenancy.shared().unwrap(), "verb")
        })
    }
}

/// A step in the tenant that makes nothing.
struct Quiet;

impl Workflow for Quiet {
    const NAME: &'static str = "quiet";
    type Input = ();
    type Output = ();
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        (): &'a (),
    ) -> Result<(), Halt<Refused>> {
        flow.tenant("visit", |_| Ok(()))
    }
}

fn open(root: &Path) -> Tenancy {
    let builder = builder(root).workflow(Sunk::default());
    builder.workflow(Quiet).open().unwrap()
}

fn hospital() -> (Tenancy, tempfile::TempDir) {
    let dir = crate::scratch::dir();
    let tenancy = open(&dir.path().join("data"));
    tenancy.create(&id(), NewTenant::named("x")).unwrap();
    (tenancy, dir)
}

fn why() -> diesel_tenants::access::Reason {
    "nobody can finish it any more".parse().unwrap()
}

fn run(tenancy: &Tenancy, run_key: &str, name: &str) -> Result<(), WorkflowError<Refused>> {
    tenancy.run_workflow(&Sunk::default(), &id(), key(run_key), name.to_owned())
}

/// Leaves a run past its commit, which cannot be finished.
fn sink(tenancy: &Tenancy) -> Uuid {
    veto(tenancy, "verb");
    match run(tenancy, "k", "Ada") {
        Err(WorkflowError::Unfinished { id, .. }) => id,
        other => panic!("{other:?}"),
    }
}

/// What was done, by place and name.
fn left(run: &AbandonedRun) -> Vec<(i32, &str, bool, bool)> {
    let steps = run.left.iter();
    let steps = steps.map(|it| (it.number, it.step.as_str(), it.is_in_tenant, it.is_done));
    steps.collect()
}

const LEFT: [(i32, &str, bool, bool); 2] = [(1, "user", false, true), (2, "patient", true, true)];

/// It is over, for every process, and is run by nobody: neither by recovery nor for its key.
#[track_caller]
fn is_over(tenancy: &Tenancy, given_up: Uuid) {
    lift_veto(tenancy);
    assert_eq!(tenancy.recover().unwrap(), 0);
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    let late = run(tenancy, "k", "Ada").unwrap_err();
    assert!(
        matches!(&late, WorkflowError::Abandoned { id, .. } if *id == given_up),
        "{late:?}"
    );
    let ada = || vec!["Ada".to_owned()];
    assert_eq!(sides(tenancy), (ada(), ada()));
    // Nothing that was given or made is left, but which steps were done, and that no more of them will be.
    let held = "SELECT (SELECT count(input) + count(output) FROM __tenants_workflows)
                     + (SELECT count(result) FROM __tenants_workflow_journal) AS count";
    assert_eq!(number(&mut tenancy.shared().unwrap(), held), 0);
    let mut ctx = tenancy.tenant(&id()).unwrap();
    let held = "SELECT count(result) AS count FROM __tenants_workflow_steps";
    assert_eq!(number(&mut ctx, held), 0);
    let keys = "SELECT count(*) AS count FROM __tenants_workflow_steps";
    assert_eq!(number(&mut ctx, keys), 2);
}

/// The parts other processes play here.
pub(super) fn play(part: &str, root: &Path) -> bool {
    if part != "give up" {
        return false;
    }
    let tenancy = open(root);
    let run = tenancy.unfinished_workflows().unwrap()[0].id;
    tenancy.abandon_workflow(run, &why()).unwrap();
    say("given up");
    true
}

/// One that could be neither finished nor undone kept its hospital from being closed for good.
#[test]
fn a_run_that_is_given_up_is_over_and_in_nobodys_way() {
    let (tenancy, dir) = hospital();
    let sunk = sink(&tenancy);
    let in_the_way = run(&tenancy, "l", "Bea").unwrap_err();
    assert!(
        matches!(&in_the_way, WorkflowError::Unfinished { id, .. } if *id == sunk),
        "{in_the_way:?}"
    );
    let clerk = Principal::user("user:clerk".parse().unwrap());
    let by_clerk = tenancy.acting_as(clerk);
    let given_up = by_clerk.abandon_workflow(sunk, &why()).unwrap();
    assert_eq!((given_up.id, given_up.tenant), (sunk, id()));
    assert!(given_up.is_tenant_known);
    assert_eq!(left(&given_up), LEFT);
    // Who did not hear the answer is told it again.
    assert_eq!(by_clerk.abandon_workflow(sunk, &why()).unwrap(), given_up);
    let entries = AuditFilter::all().action("workflow.abandon");
    let entries = tenancy.audit_entries(&entries, 10).unwrap();
    let [entry] = &entries[..] else {
        panic!("{entries:?}");
    };
    assert_eq!(
        (entry.subject, entry.actor.as_str()),
        (Some(sunk), "user:clerk")
    );
    assert_eq!(entry.reason.as_deref(), Some(why().as_str()));

    is_over(&tenancy, sunk);
    let other = open(&dir.path().join("data"));
    is_over(&other, sunk);
    let retried = other.retry_workflow(sunk).unwrap_err();
    assert!(
        matches!(retried, WorkflowError::Abandoned { .. }),
        "{retried:?}"
    );
    let reused = run(&tenancy, "k", "Bea").unwrap_err();
    assert!(
        matches!(reused, WorkflowError::KeyReused { .. }),
        "{reused:?}"
    );
    // A step that was under way when its process died is not done late.
    let mut ctx = tenancy.tenant(&id()).unwrap();
    let late = "INSERT INTO __tenants_workflow_steps (run, number, step, phase) \
                SELECT run, 3, 'late', 'done' FROM __tenants_workflow_steps WHERE step = 'patient'";
    ctx.unrouted("play the lost commit", |raw| {
        diesel::sql_query(late).execute(raw)
    })
    .unwrap_err();
    drop(ctx);

    // Whoever ends a run forgets those whose time is over: this one's is not.
    run(&tenancy, "l", "Bea").unwrap();
    let late = run(&tenancy, "k", "Ada").unwrap_err();
    assert!(matches!(late, WorkflowError::Abandoned { .. }), "{late:?}");
    let commits = AuditFilter::all().action("workflow.commit");
    let done = tenancy.audit_entries(&commits, 10).unwrap()[0].subject;
    for over in [Uuid::nil(), done.unwrap()] {
        let unknown = tenancy.abandon_workflow(over, &why()).unwrap_err();
        assert!(
            matches!(unknown, WorkflowError::Unknown { .. }),
            "{unknown:?}"
        );
    }
    // It is remembered for as long as the tenant is there.
    delete_at_once(&tenancy, &id());
    tenancy.purge(&id(), id().as_str()).unwrap();
    let new = NewTenant::named("y").reuse_retired_id();
    tenancy.create(&id(), new).unwrap();
    run(&tenancy, "k", "Cyd").unwrap();
    let kept = "SELECT count(*) AS count FROM __tenants_workflows WHERE failure IS NOT NULL";
    assert_eq!(number(&mut tenancy.shared().unwrap(), kept), 0);
}

#[test]
fn a_run_that_somebody_works_on_is_not_given_up() {
    let (tenancy, dir) = hospital();
    let other = open(&dir.path().join("data"));
    let refused = |tenancy: &Tenancy| {
        let run = tenancy.unfinished_workflows().unwrap()[0].id;
        let refused = tenancy.abandon_workflow(run, &why()).unwrap_err();
        assert!(
            matches!(refused, WorkflowError::InProgress { .. }),
            "{refused:?}"
        );
    };
    let same = tenancy.clone();
    let meanwhile: Box<dyn FnOnce() + Send> = Box::new(move || {
        refused(&same);
        refused(&other);
    });
    let watched = Sunk(Arc::new(Mutex::new(Some(meanwhile))));
    let done = tenancy.run_workflow(&watched, &id(), None, "Ada".to_owned());
    done.unwrap();
    // Nor one that somebody takes over between the look and the grasp.
    sink(&tenancy);
    spoil(
        &tenancy,
        "CREATE TRIGGER quicker BEFORE UPDATE ON __tenants_workflows BEGIN SELECT RAISE(IGNORE); END",
    );
    refused(&tenancy);
    spoil(&tenancy, "DROP TRIGGER quicker");
    let entries = AuditFilter::all().action("workflow.abandon");
    assert_eq!(tenancy.audit_entries(&entries, 10).unwrap().len(), 0);
}

/// Also where its database cannot be asked, which may be why nobody can finish it; and what cannot be entered is not done.
#[test]
fn what_cannot_be_asked_or_entered_is_told() {
    let (tenancy, _dir) = hospital();
    let sunk = sink(&tenancy);
    spoil(
        &tenancy,
        "CREATE TRIGGER veto BEFORE INSERT ON __tenants_audit WHEN NEW.action = 'workflow.abandon'
         BEGIN SELECT RAISE(ABORT, 'veto'); END",
    );
    let failed = tenancy.abandon_workflow(sunk, &why()).unwrap_err();
    assert!(matches!(failed, WorkflowError::Catalog(_)), "{failed:?}");
    assert_eq!(
        tenancy.unfinished_workflows().unwrap()[0].state,
        RunState::Running
    );
    spoil(&tenancy, "DROP TRIGGER veto");

    let file = tenancy.database_file(&id()).unwrap().path;
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    let given_up = tenancy.abandon_workflow(sunk, &why()).unwrap();
    assert!(!given_up.is_tenant_known);
    assert_eq!(left(&given_up), LEFT[..1]);
    let [listed] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("what it left is to be emptied yet");
    };
    assert!(listed.is_abandoned);
    // When it is back that is done, and no more.
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(left(&tenancy.abandon_workflow(sunk, &why()).unwrap()), LEFT);
    let error: Error = run(&tenancy, "k", "Ada").unwrap_err().into();
    assert!(error.to_string().ends_with("with a new key"), "{error}");
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_after_the_entry_it_is_given_up() {
    use crate::actors::{Actor, command};

    for point in ["workflow.abandoned", "workflow.closed"] {
        let (tenancy, dir) = hospital();
        let sunk = sink(&tenancy);
        drop(tenancy);
        let root = dir.path().join("data");
        let mut command = command("give up", &root);
        command.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
        let mut child = Actor::from(command);
        assert_eq!(child.hear(), None, "it does not come by {point}");
        child.wait();
        let tenancy = open(&root);
        assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
        let given_up = tenancy.abandon_workflow(sunk, &why()).unwrap();
        assert_eq!(left(&given_up), LEFT);
        is_over(&tenancy, sunk);
    }
}

/// An id of a run that was begun so many days ago.
fn begun(days: u64) -> Uuid {
    let age = Duration::from_secs(days * 24 * 60 * 60);
    let at = (SystemTime::now() - age)
        .duration_since(UNIX_EPOCH)
        .unwrap();
    Uuid::from_u128((at.as_millis() << 80) | u128::from(days))
}

/// They stayed for ever.
#[test]
fn keys_of_runs_long_over_go_and_those_that_are_needed_stay() {
    let (tenancy, dir) = hospital();
    let quiet = |tenancy: &Tenancy| tenancy.run_workflow(&Quiet, &id(), None, ()).unwrap();
    quiet(&tenancy);
    let (long_over, long_open, recent) = (begun(91), begun(92), begun(89));
    let keys = |ctx: &mut TenantContext, run: Uuid| {
        let run = run.simple();
        let sql =
            format!("SELECT count(*) AS count FROM __tenants_workflow_steps WHERE run = x'{run}'");
        number(ctx, &sql)
    };
    let mut ctx = tenancy.tenant(&id()).unwrap();
    for (run, step) in [(long_over, 1), (long_over, 2), (long_open, 1), (recent, 1)] {
        let run = run.simple();
        let sql = format!(
            "INSERT INTO __tenants_workflow_steps VALUES (x'{run}', {step}, 'x', 'done', NULL)"
        );
        ctx.unrouted("play an older run", |raw| {
            diesel::sql_query(sql).execute(raw)
        })
        .unwrap();
    }
    drop(ctx);
    let run = long_open.simple();
    spoil(
        &tenancy,
        &format!(
            "INSERT INTO __tenants_workflows (id, name, tenant_id, instance, state, digest, started_at, changed_at) \
             VALUES (x'{run}', 'foreign', 'TH001', zeroblob(16), 'stuck', zeroblob(32), 0, 0)"
        ),
    );
    let kept = |tenancy: &Tenancy| {
        quiet(tenancy);
        let mut ctx = tenancy.tenant(&id()).unwrap();
        [long_over, long_open, recent].map(|run| keys(&mut ctx, run))
    };
    // By a clock that is not believed nothing gets older.
    spoil(
        &tenancy,
        "UPDATE __tenants_catalog SET clock_seen = clock_seen - 40 * 86400000",
    );
    drop(tenancy);
    let tenancy = open(&dir.path().join("data"));
    assert!(tenancy.clock_jump().unwrap().is_some());
    assert_eq!(kept(&tenancy), [2, 1, 1]);
    tenancy.i_checked_the_clock().unwrap();
    assert_eq!(kept(&tenancy), [0, 1, 1]);
    let mut ctx = tenancy.tenant(&id()).unwrap();
    let all = "SELECT count(*) AS count FROM __tenants_workflow_steps";
    assert_eq!(
        number(&mut ctx, all),
        5,
        "those of the three runs above are recent"
    );
    // In the catalogue a journal goes with its run.
    run_often(&tenancy);
    let orphans = "SELECT count(*) AS count FROM __tenants_workflow_journal
                   WHERE run NOT IN (SELECT id FROM __tenants_workflows)";
    let rows = "SELECT (SELECT count(*) FROM __tenants_workflows)
                     + (SELECT count(*) FROM __tenants_workflow_journal) AS count";
    let shared = &mut tenancy.shared().unwrap();
    assert_eq!(number(shared, orphans), 0);
    assert!(number(shared, rows) < 12);
}

/// Runs without a key, which are forgotten by those that come after them.
fn run_often(tenancy: &Tenancy) {
    for _ in 0..8 {
        let name = "Ada".to_owned();
        let done = tenancy.run_workflow(&Sunk::default(), &id(), None, name);
        done.unwrap();
    }
}

/// A shared database that is restored to long ago knows runs as open whose keys are gone by now: what was done was undone in
/// one of the two databases, or done twice.
#[test]
fn a_run_whose_keys_may_be_gone_is_for_somebody_to_look_at() {
    let (tenancy, _dir) = hospital();
    sink(&tenancy);
    lift_veto(&tenancy);
    let mut ctx = tenancy.tenant(&id()).unwrap();
    ctx.unrouted("play a tenant that forgot", |raw| {
        diesel::sql_query("DELETE FROM __tenants_workflow_steps").execute(raw)
    })
    .unwrap();
    drop(ctx);
    let long_ago = SystemTime::now() - Duration::from_secs(100 * 24 * 60 * 60);
    let long_ago = long_ago.duration_since(UNIX_EPOCH).unwrap().as_millis();
    spoil(
        &tenancy,
        &format!("UPDATE __tenants_workflows SET started_at = {long_ago}"),
    );
    assert_eq!(tenancy.recover().unwrap(), 0);
    let [run] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is stuck");
    };
    assert_eq!(
        (run.state, run.failure.as_deref()),
        (
            RunState::Stuck,
            Some("the tenant's database may have forgotten what was done in it so long ago")
        )
    );
    let ada = || vec!["Ada".to_owned()];
    assert_eq!(sides(&tenancy), (ada(), ada()));
}
