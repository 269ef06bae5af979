//! A manager whose connects and connections do as they are told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use parking_lot::Mutex;

use crate::pool::ConnectFailure;

/// What all databases of a test have in common: counts of the connections that are really open.
#[derive(Default)]
pub(super) struct World {
    open: AtomicUsize,
    most_open: AtomicUsize,
    next_id: AtomicUsize,
    closed: Mutex<Vec<u64>>,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    pub(super) fn most_open(&self) -> usize {
        self.most_open.load(Ordering::SeqCst)
    }

    /// The connections closed so far, in order.
    pub(super) fn closed(&self) -> Vec<u64> {
        self.closed.lock().clone()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FakeError {
    #[error("refused")]
    Refused,
    #[error("too many open files")]
    TooManyFiles,
}

impl ConnectFailure for FakeError {
    fn out_of_descriptors(&self) -> bool {
        *self == Self::TooManyFiles
    }
}

/// What a connect does.
pub(super) enum Plan {
    Fail(FakeError),
    Panic,
    /// Says that it began, and goes on when told; then follows the next plan, if any.
    Block(Sender<()>, Receiver<()>),
}

/// Ends of the channels of something that blocks: wait for `began`, then send (or drop) `go_on`.
pub(super) struct Blocked {
    began: Receiver<()>,
    go_on: Sender<()>,
}

impl Blocked {
    pub(super) fn new() -> (Self, Sender<()>, Receiver<()>) {
        let (began_tx, began) = channel();
        let (go_on, go_on_rx) = channel();
        (Self { began, go_on }, began_tx, go_on_rx)
    }

    pub(super) fn wait_until_begun(&self) {
        self.began.recv().expect("it begins");
    }

    pub(super) fn go_on(self) {
        self.go_on.send(()).expect("it still blocks");
    }
}

pub(super) struct Fake {
    world: Arc<World>,
    open: Arc<AtomicUsize>,
    pub(super) connects: AtomicUsize,
    pub(super) most_open: AtomicUsize,
    plans: Mutex<VecDeque<Plan>>,
    /// Per mille of the connects that fail, chosen by their running number.
    failing: usize,
    pub(super) broken_panics: AtomicBool,
}

impl Fake {
    pub(super) fn new(world: &Arc<World>) -> Self {
        Self {
            world: Arc::clone(world),
            open: Arc::default(),
            connects: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            plans: Mutex::default(),
            failing: 0,
            broken_panics: AtomicBool::new(false),
        }
    }

    pub(super) fn failing(world: &Arc<World>, per_mille: usize) -> Self {
        Self {
            failing: per_mille,
            ..Self::new(world)
        }
    }

    /// Tells the next connect (after those told before) what to do.
    pub(super) fn plan(&self, plan: Plan) {
        self.plans.lock().push_back(plan);
    }

    /// Lets the next connect block.
    pub(super) fn plan_block(&self) -> Blocked {
        let (blocked, began, go_on) = Blocked::new();
        self.plan(Plan::Block(began, go_on));
        blocked
    }

    pub(super) fn connects(&self) -> usize {
        self.connects.load(Ordering::SeqCst)
    }
}

pub(super) struct Connection {
    pub(super) id: u64,
    pub(super) broken: bool,
    /// For users to mark it as theirs while they hold it.
    pub(super) held: bool,
    /// Called when it is closed.
    pub(super) on_close: Option<Box<dyn FnOnce() + Send>>,
    world: Arc<World>,
    open: Arc<AtomicUsize>,
}

impl Connection {
    /// Lets the close of this connection block.
    pub(super) fn block_close(&mut self) -> Blocked {
        let (blocked, began, go_on) = Blocked::new();
        self.on_close = Some(Box::new(move || {
            began.send(()).expect("the test waits");
            go_on.recv().expect("the test says go on");
        }));
        blocked
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(on_close) = self.on_close.take() {
            on_close();
        }
        self.world.closed.lock().push(self.id);
        self.open.fetch_sub(1, Ordering::SeqCst);
        self.world.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl r2d2::ManageConnection for Fake {
    type Connection = Connection;
    type Error = FakeError;

    fn connect(&self) -> Result<Connection, FakeError> {
        self.connects.fetch_add(1, Ordering::SeqCst);
        let next_plan = || self.plans.lock().pop_front();
        let mut plan = next_plan();
        if let Some(Plan::Block(began, go_on)) = plan {
            began.send(()).expect("the test waits");
            go_on.recv().expect("the test says go on");
            plan = next_plan();
        }
        match plan {
            Some(Plan::Fail(error)) => return Err(error),
            Some(Plan::Panic) => panic!("the connect was told to panic"),
            Some(Plan::Block(..)) => unreachable!("one block for each connect"),
            None => {}
        }
        let id = self.world.next_id.fetch_add(1, Ordering::SeqCst);
        if (id * 7_919) % 1_000 < self.failing {
            return Err(FakeError::Refused);
        }
        let here = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(here, Ordering::SeqCst);
        let all = self.world.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.world.most_open.fetch_max(all, Ordering::SeqCst);
        Ok(Connection {
            id: id as u64,
            broken: false,
            held: false,
            on_close: None,
            world: Arc::clone(&self.world),
            open: Arc::clone(&self.open),
        })
    }

    fn is_valid(&self, _: &mut Connection) -> Result<(), FakeError> {
        panic!("the pool never asks this");
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        assert!(
            !self.broken_panics.load(Ordering::SeqCst),
            "the manager was told to panic"
        );
        connection.broken
    }
}
