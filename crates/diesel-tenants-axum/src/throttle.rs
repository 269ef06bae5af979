//! How often an address may try something, such as to log in.
//!
//! A table of our own, because it must be small and stay small: what a rate-limiting crate keeps for each key is cleaned by
//! whoever uses it, and the rule here is one number in one window.
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;

/// Addresses that are remembered at once, some 500 KB.
const ADDRESSES: usize = 10_000;

/// Attempts of each address, so many in a window of time. The 64 bits of an IPv6 network, in which a customer of a
/// provider chooses addresses freely, are one address.
#[derive(Debug)]
pub struct Throttle {
    attempts: u32,
    window: Duration,
    known: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Default for Throttle {
    /// 30 attempts in 5 minutes: a hospital's front desk behind one address gets by, guessing does not.
    fn default() -> Self {
        Self::new(30, Duration::from_secs(5 * 60))
    }
}

impl Throttle {
    /// So many attempts in such a window, which begins with the first of them.
    #[must_use]
    pub fn new(attempts: u32, window: Duration) -> Self {
        Self {
            attempts,
            window,
            known: Mutex::default(),
        }
    }

    /// Counts an attempt, before it is known whether it succeeds: many at once are no way round. Tell of those that do by
    /// [`succeeded`](Self::succeeded).
    ///
    /// # Errors
    /// How long to wait: all attempts are used up.
    pub fn attempt(&self, address: IpAddr, now: Instant) -> Result<(), TooMany> {
        let mut known = self.known.lock();
        let address = network(address);
        if known.len() >= ADDRESSES && !known.contains_key(&address) {
            known.retain(|_, (began, _)| now.saturating_duration_since(*began) < self.window);
            // Many at once: whoever has been here longest is forgotten, which costs nobody a log-in.
            let oldest = known.iter().min_by_key(|(_, (began, _))| *began);
            if let Some(oldest) = oldest.map(|(address, _)| *address)
                && known.len() >= ADDRESSES
            {
                known.remove(&oldest);
            }
        }
        let (began, count) = known.entry(address).or_insert((now, 0));
        let passed = now.saturating_duration_since(*began);
        if passed >= self.window {
            (*began, *count) = (now, 0);
        } else if *count >= self.attempts {
            return Err(TooMany(self.window - passed));
        }
        *count += 1;
        Ok(())
    }

    /// Takes back an attempt that succeeded: whoever may do it may do it as often as they like. Those that failed stay.
    pub fn succeeded(&self, address: IpAddr) {
        if let Some((_, count)) = self.known.lock().get_mut(&network(address)) {
            *count = count.saturating_sub(1);
        }
    }
}

/// An address has used up its attempts, and has to wait so long. As a response: `429`, with `Retry-After`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts; try again later")]
pub struct TooMany(pub Duration);

impl TooMany {
    /// What `Retry-After` says: seconds, rounded up.
    #[must_use]
    pub fn retry_after(self) -> u64 {
        self.0.as_secs() + 1
    }
}

impl IntoResponse for TooMany {
    fn into_response(self) -> Response {
        let after = [(RETRY_AFTER, self.retry_after().to_string())];
        (StatusCode::TOO_MANY_REQUESTS, after, format!("{self}\n")).into_response()
    }
}

/// What one customer of a provider has: an address, or the 64 bits of a network in which they choose addresses freely.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTEMPTS: u32 = 30;
    const WINDOW: Duration = Duration::from_secs(5 * 60);

    #[test]
    fn an_address_has_its_attempts_and_gets_them_back() {
        let throttle = Throttle::default();
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let begin = Instant::now();
        for _ in 0..ATTEMPTS {
            throttle.attempt(one, begin).unwrap();
        }
        let later = begin + Duration::from_secs(60);
        let wait = WINDOW - Duration::from_secs(60);
        assert_eq!(throttle.attempt(one, later), Err(TooMany(wait)));
        throttle.attempt(other, later).unwrap();
        throttle.attempt(one, begin + WINDOW).unwrap();
        // A network's addresses are one.
        let in_network = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        for n in 0..ATTEMPTS {
            throttle.attempt(in_network(n as u16), begin).unwrap();
        }
        assert!(throttle.attempt(in_network(9_999), begin).is_err());
        let next: IpAddr = [0x2001, 0xdb8, 0, 2, 0, 0, 0, 1].into();
        assert!(throttle.attempt(next, begin).is_ok());
    }

    #[test]
    fn what_succeeds_does_not_count_and_forgives_nothing() {
        let throttle = Throttle::default();
        let (desk, begin) = ([192, 0, 2, 1].into(), Instant::now());
        throttle.succeeded(desk);
        for _ in 0..ATTEMPTS - 1 {
            throttle.attempt(desk, begin).unwrap();
        }
        for _ in 0..2 * ATTEMPTS {
            throttle.attempt(desk, begin).unwrap();
            throttle.succeeded(desk);
        }
        throttle.attempt(desk, begin).unwrap();
        assert!(throttle.attempt(desk, begin).is_err());
    }

    #[test]
    fn the_table_stays_small() {
        let throttle = Throttle::default();
        let begin = Instant::now();
        for n in 0..ADDRESSES as u32 + 500 {
            let address = IpAddr::V4(n.into());
            throttle
                .attempt(address, begin + Duration::from_millis(n.into()))
                .unwrap();
        }
        assert_eq!(throttle.known.lock().len(), ADDRESSES);
    }
}
