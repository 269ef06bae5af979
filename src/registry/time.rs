//! What time it is, for what would remove something because of its age.
use std::time::SystemTime;

use super::Registry;
use crate::backend::Backend;
use crate::catalog::retention::BELIEVED_AHEAD;
use crate::catalog::{from_millis, to_millis};
use crate::clock::Coarse;
use crate::error::CatalogError;
use crate::tenancy::Tenancy;

/// A clock that is more than a week ahead of the newest time the catalogue has seen, and is not believed.
///
/// It has jumped, or nobody has opened the fleet for a week, or the shared database was restored from a backup that old: only
/// somebody who looks at the clock can say which. Until [`Tenancy::i_checked_the_clock`] nothing that goes by its age gets
/// older, and nothing is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockJump {
    /// The newest time the catalogue has seen and believed.
    pub last_seen: SystemTime,
    /// What the clock says.
    pub now: SystemTime,
}

/// A time this process knows to have been, and when on a clock that nobody sets.
#[derive(Clone, Copy)]
pub(crate) struct Lived {
    seen: SystemTime,
    at: Coarse,
    /// What the catalogue had seen by then.
    in_catalog: i64,
}

/// What the clock says, and how far it is believed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    pub(crate) clock: SystemTime,
    /// The clock's time, but no later than the clock of a fleet that is alive could have it: nothing gets older by a clock
    /// that has jumped ahead.
    pub(crate) believed: SystemTime,
    pub(crate) jump: Option<ClockJump>,
}

impl<C: Backend> Registry<C> {
    /// Looks at the clock, and sees to it that the catalogue has seen what is believed of it.
    ///
    /// A process that has the library open knows how much time has passed meanwhile, although nothing may have happened in
    /// the catalogue: by that a clock is believed as by the catalogue.
    pub(crate) fn see_clock(&self) -> Result<Time, CatalogError> {
        let mut known = self.lived.lock();
        let at = Coarse::now();
        if let Some(lived) = *known
            && self.ask(|c| c.retention_clock_seen())? < lived.in_catalog
        {
            // Somebody has set the clock right and said so elsewhere: what was believed before is of no account any more.
            *known = None;
        }
        let lived = known.map(|lived| lived.seen + at.since(lived.at));
        let clock = SystemTime::now();
        let seen = self.write(|c| c.retention_see_clock(lived.map_or(0, to_millis)))?;
        let last_seen = from_millis(seen);
        let seen = lived.map_or(last_seen, |lived| lived.max(last_seen));
        *known = Some(Lived {
            seen,
            at,
            in_catalog: to_millis(last_seen),
        });
        let bound = seen + BELIEVED_AHEAD;
        Ok(Time {
            clock,
            believed: clock.min(bound),
            jump: (clock > bound).then_some(ClockJump {
                last_seen: seen,
                now: clock,
            }),
        })
    }
}

impl<C: Backend> Tenancy<C> {
    /// Whether the clock is not believed, and what goes by its age is kept for that.
    ///
    /// # Errors
    /// The catalogue cannot be reached.
    pub fn clock_jump(&self) -> Result<Option<ClockJump>, CatalogError> {
        Ok(self.registry.see_clock()?.jump)
    }

    /// Has the clock believed as it is from now on, after somebody has looked at it: its time is the newest that was seen.
    ///
    /// For a fleet that nobody has opened for a week, and for a shared database that was restored from a backup that old. Also
    /// where a clock that was ahead has been set right. Where there is nothing to be said, nothing happens.
    ///
    /// # Errors
    /// The catalogue cannot be written.
    pub fn i_checked_the_clock(&self) -> Result<(), CatalogError> {
        let registry = &self.registry;
        registry.change(|c| c.retention_believe_clock())?;
        // What was believed before is of no account any more.
        *registry.lived.lock() = None;
        registry.see_clock().map(drop)
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::time::Duration;

    use diesel::connection::SimpleConnection as _;

    use super::*;
    use crate::catalog::RetentionStore as _;
    use crate::prelude::*;

    routes! {
        static NOWHERE;
        shared { }
        tenant { }
    }

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// Nothing happened for a month in a fleet that was open all the time, and its clock was believed no more.
    #[test]
    fn who_is_always_there_never_falls_behind() {
        let dir = tempfile::tempdir().unwrap();
        let builder =
            Tenancy::<SqliteConnection>::builder(&NOWHERE).sqlite(dir.path().join("data"));
        let tenancy = builder.init().open().unwrap();
        let registry = &tenancy.registry;
        let age = || {
            let seen = registry.ask(|c| c.retention_clock_seen()).unwrap();
            from_millis(seen).elapsed().unwrap_or_default()
        };
        // The catalogue has seen nothing for a month, this process for so long.
        let nothing_seen_for = |lived: Duration| {
            let month = "UPDATE __tenants_catalog SET clock_seen = clock_seen - 30 * 86400000";
            registry.write(|c| c.batch_execute(month)).unwrap();
            assert!(age() > 29 * DAY);
            let mut known = registry.lived.lock();
            let known = known.as_mut().unwrap();
            (known.seen, known.in_catalog) = (SystemTime::now() - lived, 0);
        };
        nothing_seen_for(6 * DAY);
        assert_eq!(tenancy.clock_jump().unwrap(), None);
        assert!(age() < DAY, "{:?}", age());

        nothing_seen_for(8 * DAY);
        let jump = tenancy.clock_jump().unwrap().unwrap();
        assert!(jump.now.duration_since(jump.last_seen).unwrap() > 7 * DAY);
        assert!(age() > 29 * DAY);
        tenancy.i_checked_the_clock().unwrap();
        assert_eq!(tenancy.clock_jump().unwrap(), None);
        assert!(age() < DAY);
    }

    /// A clock was a month ahead, and has been set right: every process believed in the month for as long as it lived.
    #[test]
    fn what_is_taken_back_elsewhere_is_taken_back_here() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let builder = || Tenancy::<SqliteConnection>::builder(&NOWHERE).sqlite(&root);
        let tenancy = builder().init().open().unwrap();
        let elsewhere = builder().open().unwrap();
        let registry = &tenancy.registry;
        let month = "UPDATE __tenants_catalog SET clock_seen = clock_seen + 30 * 86400000";
        registry.write(|c| c.batch_execute(month)).unwrap();
        let seen = || {
            tenancy.clock_jump().unwrap();
            registry.lived.lock().unwrap().seen
        };
        assert!(seen() > SystemTime::now() + 29 * DAY);
        elsewhere.i_checked_the_clock().unwrap();
        assert!(seen() < SystemTime::now() + DAY);
    }
}
