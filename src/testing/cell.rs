//! One fleet for all tests of a binary.
use std::sync::Weak;

use parking_lot::Mutex;

use super::fleet::{Shelter, TestFleet, TestFleetError};

/// A `static` that holds one [`TestFleet`] for all tests that run at the same time.
///
/// The first test to ask opens the fleet, those beside it share it, and the last one to finish removes its
/// directory; a test that comes later opens a new one. So what is in the shared database is what the tests running
/// now have put there. A `LazyLock` instead would never be dropped, and leave a directory behind with every run.
///
/// For an example see [`testing`](crate::testing).
pub struct TestFleetCell {
    open: fn() -> Result<TestFleet, TestFleetError>,
    current: Mutex<Weak<Shelter>>,
}

impl TestFleetCell {
    /// A cell whose fleets `open` opens.
    pub const fn new(open: fn() -> Result<TestFleet, TestFleetError>) -> Self {
        Self {
            open,
            current: Mutex::new(Weak::new()),
        }
    }

    /// The fleet the tests running now share. Opens one if there is none, while other callers wait for it.
    ///
    /// # Errors
    /// Those of the function the cell was made with; the next call tries again.
    pub fn get(&self) -> Result<TestFleet, TestFleetError> {
        let mut current = self.current.lock();
        if let Some(shelter) = current.upgrade() {
            return Ok(TestFleet::of(shelter));
        }
        let fleet = (self.open)()?;
        *current = fleet.downgrade();
        Ok(fleet)
    }
}

impl std::fmt::Debug for TestFleetCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestFleetCell").finish_non_exhaustive()
    }
}
