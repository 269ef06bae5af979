//! Runs that were under way when the shared database was backed up that is restored now: what the tenants' databases know
//! of them is gone by, and nothing else is undone or done.
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use diesel::connection::SimpleConnection;
use diesel_tenants::prelude::*;
use diesel_tenants::workflow::{Flow, Halt, RunState, Workflow};
use diesel_tenants::{BackupOptions, BackupRef, Builder, RestoreOptions, Sqlite, WorkflowError};

use super::admission::{Admission, Refused, insert_patient, insert_user, no_veto, who};
use super::{id, key, lift_veto, sides, spoil, veto};
use crate::app::{Fleet, admit, builder, delete_at_once, fleet, fleet_with, patients, users};

/// What happens once, when a run has come to the place of this name.
#[derive(Clone, Default)]
struct Places(Arc<Mutex<Option<(&'static str, Happening)>>>);

type Happening = Box<dyn FnOnce() + Send>;

impl Places {
    fn pass(&self, place: &str) {
        let mut next = self.0.lock().unwrap();
        if next.as_ref().is_some_and(|(at, _)| *at == place) {
            let (_, happens) = next.take().unwrap();
            drop(next);
            happens();
        }
    }
}

/// A user, something seen and a visitor in the tenant, something in the shared database that rests on it, and the patient.
struct Winding(Places);

impl Workflow for Winding {
    const NAME: &'static str = "winding";
    type Input = ();
    type Output = i32;
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        (): &'a (),
    ) -> Result<i32, Halt<Refused>> {
        let take_out = |shared: &mut SharedContext, user: i32| {
            diesel::delete(users::table.find(user)).execute(shared)?;
            Ok(())
        };
        flow.shared_or_undo("user", |shared| Ok(insert_user(shared, "Ada")?), take_out)?;
        self.0.pass("user");
        let seen = flow.tenant("seen", |tenant| {
            Ok(patients::table.count().get_result::<i64>(tenant)?)
        })?;
        let visitor = flow.tenant_or_undo(
            "visitor",
            |tenant| Ok(insert_patient(tenant, "visitor")?),
            |tenant, visitor: i32| {
                diesel::delete(patients::table.find(visitor)).execute(tenant)?;
                Ok(())
            },
        )?;
        self.0.pass("visitor");
        let name = format!("after {seen}");
        flow.shared_or_undo("link", |shared| Ok(insert_user(shared, &name)?), take_out)?;
        flow.committing().tenant("patient", |tenant| {
            let named = diesel::update(patients::table.find(visitor));
            named.set(patients::name.eq("Ada")).execute(tenant)?;
            match patients::table
                .filter(patients::name.eq("veto"))
                .count()
                .get_result::<i64>(tenant)?
            {
                0 => Ok(visitor),
                _ => Err(Refused::Veto),
            }
        })
    }
}

/// Commits, and calls a verb.
struct Told(Places);

impl Workflow for Told {
    const NAME: &'static str = "told";
    const ALONE: bool = true;
    type Input = ();
    type Output = ();
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        (): &'a (),
    ) -> Result<(), Halt<Refused>> {
        let code = *flow.tenant_id();
        flow.committing()
            .shared("user", |shared| Ok(insert_user(shared, "told").map(drop)?))?;
        self.0.pass("user");
        flow.verb("quota", |tenancy| {
            tenancy.set_quota(&code, Some(1_000_000_000)).unwrap();
            Ok(())
        })?;
        flow.shared("end", |shared| no_veto(shared, "told"))
    }
}

/// Creates a tenant, and commits when it is over.
struct Founding(Places);

impl Workflow for Founding {
    const NAME: &'static str = "founding";
    type Input = ();
    type Output = ();
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        (): &'a (),
    ) -> Result<(), Halt<Refused>> {
        let take_out = |shared: &mut SharedContext, user: i32| {
            diesel::delete(users::table.find(user)).execute(shared)?;
            Ok(())
        };
        flow.create_tenant("database", NewTenant::named("New"))?;
        flow.shared_or_undo("user", |shared| Ok(insert_user(shared, "Ada")?), take_out)?;
        self.0.pass("user");
        flow.shared("open", |_| Ok(()))
    }
}

/// A user, a patient of whom nothing is returned, and the commit in the shared database.
struct Silent(Places);

impl Workflow for Silent {
    const NAME: &'static str = "silent";
    type Input = ();
    type Output = ();
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        (): &'a (),
    ) -> Result<(), Halt<Refused>> {
        let take_out = |shared: &mut SharedContext, user: i32| {
            diesel::delete(users::table.find(user)).execute(shared)?;
            Ok(())
        };
        flow.shared_or_undo("user", |shared| Ok(insert_user(shared, "Ada")?), take_out)?;
        self.0.pass("user");
        flow.tenant_or_undo(
            "row",
            |tenant| Ok(insert_patient(tenant, "silent").map(drop)?),
            |tenant, ()| {
                let made = patients::table.filter(patients::name.eq("silent"));
                diesel::delete(made).execute(tenant)?;
                Ok(())
            },
        )?;
        flow.committing().finish("open", |_| Ok(()))
    }
}

/// A user, a look into the tenant, and no.
struct Looking(Places);

impl Workflow for Looking {
    const NAME: &'static str = "looking";
    type Input = ();
    type Output = ();
    type Error = Refused;

    fn run<'a>(
        &'a self,
        flow: &mut Flow<'a, SqliteConnection, Self>,
        (): &'a (),
    ) -> Result<(), Halt<Refused>> {
        let take_out = |shared: &mut SharedContext, user: i32| {
            diesel::delete(users::table.find(user)).execute(shared)?;
            Ok(())
        };
        let user = |shared: &mut SharedContext| Ok(insert_user(shared, "Ada")?);
        flow.shared_or_undo("user", user, take_out)?;
        self.0.pass("user");
        let user = |shared: &mut SharedContext| Ok(insert_user(shared, "Bea")?);
        flow.shared_or_undo("another", user, take_out)?;
        self.0.pass("another");
        flow.tenant("seen", |tenant| {
            Ok(patients::table.count().get_result::<i64>(tenant)?)
        })?;
        flow.committing().shared("no", |_| Err(Refused::Veto))
    }
}

fn knowing(
    builder: Builder<SqliteConnection, Sqlite>,
    places: &Places,
) -> Builder<SqliteConnection, Sqlite> {
    let places = || places.clone();
    let builder = builder.workflow(Winding(places())).workflow(Told(places()));
    let builder = builder.workflow(Founding(places()));
    builder
        .workflow(Silent(places()))
        .workflow(Looking(places()))
}

fn hospital(places: &Places) -> Fleet {
    let fleet = fleet_with(|builder| knowing(builder, places));
    fleet.create("TH001");
    fleet
}

/// Backs the shared database up when a run has come to `place`.
fn backed_up_at(fleet: &Fleet, places: &Places, place: &'static str) -> Arc<Mutex<PathBuf>> {
    let backup = Arc::<Mutex<PathBuf>>::default();
    let (tenancy, made) = (fleet.tenancy.clone(), Arc::clone(&backup));
    let happens = move || {
        let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
        *made.lock().unwrap() = backup.path;
    };
    *places.0.lock().unwrap() = Some((place, Box::new(happens)));
    backup
}

/// Makes that backup the shared database and opens the library, which settles what it finds.
fn restored(fleet: Fleet, places: &Places, backup: &Mutex<PathBuf>) -> Fleet {
    let Fleet {
        tenancy,
        root,
        _dir,
    } = fleet;
    drop(tenancy);
    let path = backup.lock().unwrap().clone();
    builder(&root).restore_shared(path).unwrap();
    let tenancy = knowing(builder(&root), places).open().unwrap();
    Fleet {
        tenancy,
        root,
        _dir,
    }
}

fn stuck(tenancy: &Tenancy, says: &str) -> uuid::Uuid {
    let [run] = &tenancy.unfinished_workflows().unwrap()[..] else {
        panic!("one run is stuck");
    };
    assert_eq!(run.state, RunState::Stuck);
    let failure = run.failure.as_deref().unwrap();
    assert!(failure.contains(says), "{failure}");
    run.id
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// What its steps gave is taken out of the tenant when a run is over, so it could never be gone through again: it was
/// stuck for good, and its key with it.
#[test]
fn a_run_that_was_over_by_what_the_tenant_knows_is_over() {
    let places = Places::default();
    let fleet = hospital(&places);
    let backup = backed_up_at(&fleet, &places, "user");
    let winding = Winding(places.clone());
    fleet
        .tenancy
        .run_workflow(&winding, &id(), key("k"), ())
        .unwrap();
    let fleet = restored(fleet, &places, &backup);
    let tenancy = &fleet.tenancy;
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    assert_eq!(sides(tenancy), (names(&["Ada"]), names(&["Ada"])));
    // What it gave nobody knows any more, and it is not done once more.
    let again = tenancy
        .run_workflow(&winding, &id(), key("k"), ())
        .unwrap_err();
    assert!(matches!(again, WorkflowError::NoOutput { .. }), "{again:?}");
    assert!(!again.is_retryable());
    tenancy.run_workflow(&winding, &id(), key("l"), ()).unwrap();

    // One that was undone is undone here, too, although what it saw stands in the tenant.
    admit(&mut tenancy.tenant(&id()).unwrap(), "veto").unwrap();
    let before = sides(tenancy);
    let backup = backed_up_at(&fleet, &places, "user");
    let refused = fleet.tenancy.run_workflow(&winding, &id(), key("m"), ());
    assert!(
        matches!(refused, Err(WorkflowError::Failed { .. })),
        "{refused:?}"
    );
    let fleet = restored(fleet, &places, &backup);
    assert_eq!(fleet.tenancy.unfinished_workflows().unwrap(), []);
    assert_eq!(sides(&fleet.tenancy), before);
}

/// Its step left nothing to be taken out, so its key did not say that the run was over: the patient was taken out of a tenant
/// that was in use.
#[test]
fn a_run_whose_steps_give_nothing_is_over_as_well() {
    let places = Places::default();
    let fleet = hospital(&places);
    let backup = backed_up_at(&fleet, &places, "user");
    let silent = Silent(places.clone());
    let run = |tenancy: &Tenancy| tenancy.run_workflow(&silent, &id(), key("k"), ());
    run(&fleet.tenancy).unwrap();
    let fleet = restored(fleet, &places, &backup);
    let tenancy = &fleet.tenancy;
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    assert_eq!(sides(tenancy), (names(&["Ada"]), names(&["silent"])));
    let again = run(tenancy).unwrap_err();
    assert!(matches!(again, WorkflowError::NoOutput { .. }), "{again:?}");
}

/// All it has in the tenant is what it saw there, which is done and empty, as of a run that came through: what it had done
/// in the shared database stood.
#[test]
fn a_run_that_was_undone_is_undone_although_it_only_looked_at_the_tenant() {
    for place in ["user", "another"] {
        let places = Places::default();
        let fleet = hospital(&places);
        let backup = backed_up_at(&fleet, &places, place);
        let looking = Looking(places.clone());
        let refused = fleet.tenancy.run_workflow(&looking, &id(), key("k"), ());
        assert!(
            matches!(refused, Err(WorkflowError::Failed { .. })),
            "{refused:?}"
        );
        let fleet = restored(fleet, &places, &backup);
        assert_eq!(fleet.tenancy.unfinished_workflows().unwrap(), []);
        assert_eq!(sides(&fleet.tenancy), (names(&[]), names(&[])), "{place}");
    }
}

/// The patient was admitted, and the shared database does not know what came before: the run was undone, and the patient
/// taken out.
#[test]
fn what_the_tenant_knows_to_be_committed_is_not_undone() {
    let places = Places::default();
    let fleet = hospital(&places);
    let winding = Winding(places.clone());
    let in_tenant = |tenancy: &Tenancy, sql: &str| {
        let mut ctx = tenancy.tenant(&id()).unwrap();
        ctx.unrouted("stand in the way", |raw| {
            raw.connection().batch_execute(sql)
        })
        .unwrap();
    };
    // It was over a moment ago, and what its steps gave is there still.
    fleet
        .tenancy
        .run_workflow(&winding, &id(), None, ())
        .unwrap();
    in_tenant(
        &fleet.tenancy,
        "CREATE TRIGGER veto BEFORE UPDATE ON __tenants_workflow_steps WHEN NEW.result IS NULL \
         BEGIN SELECT RAISE(ABORT, 'veto'); END",
    );
    let backup = backed_up_at(&fleet, &places, "visitor");
    fleet
        .tenancy
        .run_workflow(&winding, &id(), None, ())
        .unwrap();
    let patients = sides(&fleet.tenancy).1;
    let fleet = restored(fleet, &places, &backup);
    let tenancy = &fleet.tenancy;
    in_tenant(tenancy, "DROP TRIGGER veto");
    let run = stuck(tenancy, "does not know");
    assert_eq!(sides(tenancy).1, patients);
    tenancy.retry_workflow(run).unwrap_err();
    stuck(tenancy, "does not know");
    assert_eq!(sides(tenancy).1, patients);
}

/// Its user had been told, and the hospital was decided about otherwise since, perhaps.
#[test]
fn no_verb_is_called_by_a_run_of_the_day_before_until_somebody_says_so() {
    let places = Places::default();
    let fleet = hospital(&places);
    let backup = backed_up_at(&fleet, &places, "user");
    let told = Told(places.clone());
    fleet.tenancy.run_workflow(&told, &id(), None, ()).unwrap();
    let fleet = restored(fleet, &places, &backup);
    let tenancy = &fleet.tenancy;
    let run = stuck(tenancy, "was restored");
    assert_eq!(tenancy.recover().unwrap(), 0);
    assert_eq!(tenancy.usage(&id()).unwrap().quota, None);
    // A later failure does not make it an ordinary run.
    veto(tenancy, "told");
    assert!(tenancy.retry_workflow(run).unwrap_err().is_retryable());
    assert_eq!(tenancy.usage(&id()).unwrap().quota, Some(1_000_000_000));
    lift_veto(tenancy);
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
}

/// By its journal nobody was ever told of the tenant. That was so on the day of the journal.
#[test]
fn a_tenant_that_is_in_use_is_not_removed_by_a_run_of_the_day_before() {
    let places = Places::default();
    let fleet = fleet_with(|builder| knowing(builder, &places));
    let backup = backed_up_at(&fleet, &places, "user");
    let founding = Founding(places.clone());
    fleet
        .tenancy
        .run_workflow(&founding, &id(), key("k"), ())
        .unwrap();
    admit(&mut fleet.tenancy.tenant(&id()).unwrap(), "Bea").unwrap();
    let fleet = restored(fleet, &places, &backup);
    let tenancy = &fleet.tenancy;
    let there = || {
        assert_eq!(sides(tenancy), (names(&["Ada"]), names(&["Bea"])));
        stuck(tenancy, "may be in use")
    };
    let run = there();
    // However often it is tried.
    for _ in 0..2 {
        let again = tenancy.retry_workflow(run).unwrap_err();
        assert!(matches!(again, WorkflowError::Stuck { .. }), "{again:?}");
        there();
    }
    // Removed by whoever decides, it is in nobody's way.
    delete_at_once(tenancy, &id());
    tenancy.purge(&id(), "TH001").unwrap();
    assert_eq!(tenancy.recover().unwrap(), 1);
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    assert!(
        tenancy.create(&id(), NewTenant::named("x")).is_err(),
        "its id was somebody's"
    );
}

/// The answer named a row that was not there, or was somebody else's by then.
#[test]
fn a_key_speaks_of_what_the_tenant_has() {
    let fleet = fleet();
    fleet.create("TH001");
    let tenancy = &fleet.tenancy;
    let backup = tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let admit = || tenancy.run_workflow(&Admission, &id(), key("k"), who("Ada"));
    let first = admit().unwrap();
    let confirmed = RestoreOptions::confirmed("TH001");
    tenancy
        .restore(&id(), &BackupRef::path(&backup.path), &confirmed)
        .unwrap();
    for _ in 0..2 {
        let again = admit().unwrap_err();
        assert!(
            matches!(again, WorkflowError::Superseded { .. }),
            "{again:?}"
        );
    }
    assert_eq!(sides(tenancy).1, [""; 0]);
    tenancy.undo(&id(), "TH001").unwrap();
    assert_eq!(admit().unwrap(), first);

    // Nobody can say while it cannot be read.
    let tenant = tenancy.handle(&id()).unwrap();
    let file = fleet.file(&tenant, tenant.record().unwrap().generation);
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    let again = admit().unwrap_err();
    assert!(
        matches!(again, WorkflowError::Unconfirmed { .. }),
        "{again:?}"
    );
    assert!(again.is_retryable());
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(admit().unwrap(), first);
}

/// What was stuck over a tenant answered for the next one of its id, and kept it from whatever is alone.
#[test]
fn a_run_of_a_tenant_that_is_gone_is_in_nobodys_way() {
    let places = Places::default();
    let fleet = hospital(&places);
    let tenancy = &fleet.tenancy;
    // One is stuck by its undo, and one past its commit by a program of other steps.
    veto(tenancy, "undo");
    let trouble = super::with_trouble("Ada", "patient");
    let left = tenancy.run_workflow(&Admission, &id(), key("k"), trouble);
    assert!(matches!(left, Err(WorkflowError::Stuck { .. })), "{left:?}");
    veto(tenancy, "told");
    let left = tenancy.run_workflow(&Told(places.clone()), &id(), key("k"), ());
    assert!(
        matches!(left, Err(WorkflowError::Unfinished { .. })),
        "{left:?}"
    );
    spoil(
        tenancy,
        "UPDATE __tenants_workflow_journal SET step = 'other' WHERE step = 'quota'",
    );
    assert_eq!(tenancy.recover().unwrap(), 0);
    // And one is left past its commit.
    veto(tenancy, "activate");
    let left = tenancy.run_workflow(&Admission, &id(), key("l"), who("Ada"));
    assert!(
        matches!(left, Err(WorkflowError::Unfinished { .. })),
        "{left:?}"
    );
    let states = |tenancy: &Tenancy| {
        let runs = tenancy.unfinished_workflows().unwrap();
        runs.iter().map(|run| run.state).collect::<Vec<_>>()
    };
    assert_eq!(
        states(tenancy),
        [RunState::Stuck, RunState::Stuck, RunState::Running]
    );

    delete_at_once(tenancy, &id());
    tenancy.purge(&id(), "TH001").unwrap();
    let new = NewTenant::named("Another").reuse_retired_id();
    tenancy.create(&id(), new).unwrap();
    lift_veto(tenancy);
    let trouble = super::with_trouble("Ada", "nothing");
    tenancy
        .run_workflow(&Admission, &id(), key("k"), trouble)
        .unwrap();
    tenancy
        .run_workflow(&Told(places), &id(), key("k"), ())
        .unwrap();
    tenancy
        .run_workflow(&Admission, &id(), key("l"), who("Ada"))
        .unwrap();
    // What stood in the way of two is gone, and so they go. One needs somebody still.
    tenancy.recover().unwrap();
    assert_eq!(states(tenancy), [RunState::Stuck]);
}
