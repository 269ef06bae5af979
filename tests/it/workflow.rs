//! Work on the shared database and on a tenant's: both sides or neither, whatever happens in between.
use std::panic::{AssertUnwindSafe, catch_unwind};

use diesel_tenants::prelude::*;
use diesel_tenants::workflow::{IdempotencyKey, RunState};
use diesel_tenants::{Error, OpenError, WorkflowError};

use crate::app::{Fleet, ROUTES, builder, delete_at_once, fleet, patients, users};

mod admission;
mod alone;
mod defences;
mod given_up;
mod hands;
mod journal;
mod killed;
mod many;
mod restored;
mod tried;
use admission::Refused;
pub(crate) use admission::{Admission, Onboarding, who, with_trouble};
pub(crate) use killed::play;

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
                SELECT run, number, step, 'done' FROM __tenants_workflow_steps \
                WHERE phase = 'void' AND step = 'visitor'";
    let void = "SELECT count(*) AS count FROM __tenants_workflow_steps \
                WHERE phase = 'void' AND step IN ('visitor', 'undone')";
    let mut ctx = tenancy.tenant(&id()).unwrap();
    // Beside it stands that all of the run was undone.
    assert_eq!(number(&mut ctx, void), 2);
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
