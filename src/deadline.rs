//! When a wait that somebody set is over.
use std::time::{Duration, Instant};

/// Further ahead than any process lives, and near enough for every system's clock.
const A_CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// The moment so long after now. One that the clock cannot tell is a century ahead.
pub(crate) fn after(wait: Duration) -> Instant {
    Instant::now() + wait.min(A_CENTURY)
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
