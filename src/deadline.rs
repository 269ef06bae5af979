//! When a wait that somebody set is over.
use std::time::{Duration, Instant};

/// Further ahead than any process lives, and near enough for every system's clock.
const A_CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The moment so long after now. One that the clock cannot tell is a century ahead.
pub(crate) fn after(wait: Duration) -> Instant {
    Instant::now() + wait.min(A_CENTURY)
}

/// How long somebody waits for what another one has begun, looking in between ever less often.
#[derive(Debug)]
pub(crate) struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub(crate) fn of(wait: Duration) -> Self {
        Self {
            until: after(wait),
            pause: Duration::from_millis(1),
        }
    }

    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    /// Waits before the next look; false, and at once, where there is no time for one.
    pub(crate) fn pause(&mut self) -> bool {
        if Instant::now() + self.pause >= self.until {
            return false;
        }
        std::thread::sleep(self.pause);
        self.pause = (self.pause * 2).min(Duration::from_millis(50));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_longer_than_the_clock_goes_is_long() {
        assert!(after(Duration::MAX) > Instant::now() + A_CENTURY / 2);
        assert!(after(Duration::ZERO) <= Instant::now());
    }
}
