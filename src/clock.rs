//! Coarse monotonic time: cheap enough to stamp every check-in.

use std::time::Duration;

/// A moment on the coarse monotonic clock, in nanoseconds from an arbitrary start.
///
/// On Linux the resolution is that of the kernel's tick (1–10 ms), which is plenty for "least
/// recently used" and for idle timeouts of seconds; elsewhere it is that of [`std::time::Instant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Coarse(u64);

impl Coarse {
    /// The present moment.
    pub(crate) fn now() -> Self {
        Self(nanoseconds())
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(target_os = "linux")]
fn nanoseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    // Both parts of a monotonic clock are positive, and 2^64 ns are 584 years of uptime.
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(not(target_os = "linux"))]
fn nanoseconds() -> u64 {
    use once_cell::sync::Lazy;
    use std::time::Instant;

    static START: Lazy<Instant> = Lazy::new(Instant::now);
    START.elapsed().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_forward_only() {
        let first = Coarse::now();
        let mut last = first;
        while last == first {
            let next = Coarse::now();
            assert!(next >= last);
            last = next;
            std::thread::yield_now();
        }
        assert!(last.since(first) > Duration::ZERO);
        assert_eq!(first.since(last), Duration::ZERO);
    }
}
