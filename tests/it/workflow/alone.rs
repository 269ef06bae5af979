//! Workflows that are alone on their tenant.
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};

use diesel_tenants::WorkflowError;
use diesel_tenants::prelude::*;
use diesel_tenants::workflow::Workflow;

use super::admission::{Refused, insert_user};
use super::tried::{Meanwhile, Tried};
use super::{id, key};
use crate::app::builder;

/// What the runs below do and wait for.
#[derive(Default)]
struct Ways {
    /// Done before the first step of the next run.
    before: Meanwhile,
    /// Done in the verb of the next run.
    within: Meanwhile,
    /// Whether verbs fail.
    fails: AtomicBool,
    inside: AtomicUsize,
    verbs: AtomicUsize,
}

/// Commits, then calls a verb, in which no other run may be.
fn alone<const N: usize>(ways: &Arc<Ways>) -> Tried<(), (), N> {
    let ways = Arc::clone(ways);
    Tried::of(move |flow, ()| {
        ways.before.happen();
        flow.committing()
            .shared("user", |shared| Ok(insert_user(shared, "Ada")?))?;
        flow.verb("verb", |_| {
            let others = ways.inside.fetch_add(1, Ordering::SeqCst);
            ways.within.happen();
            ways.inside.fetch_sub(1, Ordering::SeqCst);
            assert_eq!(others, 0, "two at once");
            match ways.fails.load(Ordering::SeqCst) {
                true => Err(Refused::Veto),
                false => {
                    ways.verbs.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }
            }
        })
    })
}

type One = Tried<(), (), 1>;
type Other = Tried<(), (), 2>;

#[test]
fn of_workflows_that_are_alone_one_run_is_open_on_a_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let ways = Arc::<Ways>::default();
    let (one, other): (One, Other) = (alone(&ways), alone(&ways));
    let builder = builder(&dir.path().join("data"));
    let builder = builder.workflow(alone::<1>(&ways));
    let tenancy = builder.workflow(alone::<2>(&ways)).open().unwrap();
    let elsewhere: TenantId = "TH002".parse().unwrap();
    for id in [id(), elsewhere] {
        tenancy.create(&id, NewTenant::named("x")).unwrap();
    }
    let run = |workflow: &Other| tenancy.run_workflow(workflow, &id(), key("k"), ());
    let verbs = || ways.verbs.load(Ordering::SeqCst);

    // Left past its commit, it is finished by whoever asks for the other one, or in the way of it.
    ways.fails.store(true, Ordering::SeqCst);
    let left = tenancy.run_workflow(&one, &id(), None, ()).unwrap_err();
    assert!(matches!(left, WorkflowError::Unfinished { .. }), "{left:?}");
    let in_the_way = run(&other).unwrap_err();
    assert!(
        matches!(&in_the_way, WorkflowError::Unfinished { name, .. } if name == One::NAME),
        "{in_the_way:?}"
    );
    ways.fails.store(false, Ordering::SeqCst);
    run(&other).unwrap();
    assert_eq!(verbs(), 2);
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);

    // One that is begun after the others were settled, and left, is settled as well.
    let nested: Arc<OnceLock<Tenancy>> = Arc::default();
    nested.set(tenancy.clone()).ok().unwrap();
    let (within, way) = (nested.clone(), ways.clone());
    let begun = move || {
        way.fails.store(true, Ordering::SeqCst);
        let inner: Other = alone(&way);
        let left = within.get().unwrap().run_workflow(&inner, &id(), None, ());
        assert!(
            matches!(left, Err(WorkflowError::Unfinished { .. })),
            "{left:?}"
        );
        way.fails.store(false, Ordering::SeqCst);
    };
    ways.before.set(begun);
    tenancy.run_workflow(&one, &id(), None, ()).unwrap();
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    assert_eq!(verbs(), 4);

    // One at work is waited for; another tenant's is in nobody's way.
    let (inside, is_inside): (Sender<()>, Receiver<()>) = channel();
    let (go_on, told): (Sender<()>, Receiver<()>) = channel();
    ways.within.set(move || {
        inside.send(()).unwrap();
        told.recv().unwrap();
    });
    std::thread::scope(|scope| {
        let first = scope.spawn(|| tenancy.run_workflow(&one, &id(), None, ()));
        is_inside.recv().unwrap();
        for _ in 0..2 {
            let under_way = tenancy.run_workflow(&one, &id(), key("two"), ());
            assert!(
                matches!(under_way, Err(WorkflowError::InProgress { .. })),
                "{under_way:?}"
            );
            let under_way = tenancy.run_workflow(&other, &id(), None, ()).unwrap_err();
            assert!(under_way.is_retryable());
        }
        ways.inside.store(0, Ordering::SeqCst);
        tenancy.run_workflow(&other, &elsewhere, None, ()).unwrap();
        ways.inside.store(1, Ordering::SeqCst);
        go_on.send(()).unwrap();
        first.join().unwrap().unwrap();
    });
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);

    // Where several ask at once, each gets its turn and none meets another.
    std::thread::scope(|scope| {
        for n in 0..4 {
            let (tenancy, ways) = (&tenancy, &ways);
            scope.spawn(move || {
                let asked = || match n % 2 {
                    0 => tenancy.run_workflow(&alone::<1>(ways), &id(), None, ()),
                    _ => tenancy.run_workflow(&alone::<2>(ways), &id(), None, ()),
                };
                while let Err(error) = asked() {
                    assert!(error.is_retryable(), "{error:?}");
                    std::thread::yield_now();
                }
            });
        }
    });
    assert_eq!(verbs(), 10);
    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
}
