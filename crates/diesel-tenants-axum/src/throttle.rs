//! How often an address may try something, such as to log in.
//!
//! A table of our own, because it must be small and stay small: what a rate-limiting crate keeps for each key is cleaned by
//! whoever uses it, and the rule here is one number in one window.
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Once;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use parking_lot::Mutex;

use crate::caller::Caller;

/// Networks that are remembered at once, some 1.5 MB.
const NETWORKS: usize = 10_000;

/// How many times the attempts of one network of 64 bits all those in 48 bits have together.
const MANY: u32 = 8;

/// Attempts of each address, so many in a window of time.
///
/// An IPv6 address is one of a network of 64 bits, in which whoever has one chooses addresses freely: those are one. Providers
/// give their customers up to 48 bits, 65,536 such networks, but not all of them do: so all that are in one of 48 bits have
/// eight times the attempts of one *together*. Who guesses from a whole such network is stopped by that, and keeps out
/// neighbours there for a window at most; who has a network of 64 bits beside somebody who fails a few times is not.
///
/// The last 10,000 or so that tried are remembered. When more come, those that have attempts left are forgotten first, the oldest
/// before the others: who has none is not let in anew by a crowd. Only where these are more than half are they forgotten, too.
#[derive(Debug)]
pub struct Throttle {
    attempts: u32,
    window: Duration,
    known: Mutex<Table>,
    /// That callers cannot be told apart is said once.
    unknown: Once,
}

/// What was tried, in the order in which it is forgotten.
#[derive(Debug, Default)]
struct Table {
    windows: HashMap<IpNet, Window>,
    /// Those with attempts left, and those without, each with the oldest first.
    open: BTreeSet<(Instant, IpNet)>,
    used_up: BTreeSet<(Instant, IpNet)>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    tried: u32,
    most: u32,
}

impl Window {
    fn is_used_up(self) -> bool {
        self.tried >= self.most
    }
}

impl Table {
    /// Forgets the windows that are over.
    fn forget(&mut self, is_over: impl Fn(Instant) -> bool) {
        for queue in [&mut self.open, &mut self.used_up] {
            while let Some((began, network)) = queue.first().copied()
                && is_over(began)
            {
                queue.pop_first();
                self.windows.remove(&network);
            }
        }
    }

    /// The window of a network, or the one that would begin now.
    fn window(&self, network: IpNet, most: u32, now: Instant) -> Window {
        let new = Window {
            began: now,
            tried: 0,
            most,
        };
        self.windows.get(&network).copied().unwrap_or(new)
    }

    /// Keeps the window of a network, for which another one may have to be forgotten.
    fn keep(&mut self, network: IpNet, window: Window) {
        if self.windows.contains_key(&network) {
            return;
        }
        if self.windows.len() >= NETWORKS {
            let oldest = match self.used_up.len() > NETWORKS / 2 {
                true => self.used_up.pop_first(),
                false => self.open.pop_first(),
            };
            if let Some((_, oldest)) = oldest {
                self.windows.remove(&oldest);
            }
        }
        self.windows.insert(network, window);
        self.queue(window.is_used_up())
            .insert((window.began, network));
    }

    fn count(&mut self, network: IpNet, change: impl FnOnce(u32) -> u32) {
        let Some(window) = self.windows.get_mut(&network) else {
            return;
        };
        let before = *window;
        window.tried = change(window.tried);
        let after = *window;
        if before.is_used_up() != after.is_used_up() {
            let place = (before.began, network);
            self.queue(before.is_used_up()).remove(&place);
            self.queue(after.is_used_up()).insert(place);
        }
    }

    fn queue(&mut self, used_up: bool) -> &mut BTreeSet<(Instant, IpNet)> {
        match used_up {
            true => &mut self.used_up,
            false => &mut self.open,
        }
    }
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
            unknown: Once::new(),
        }
    }

    /// Counts an attempt, before it is known whether it succeeds: many at once are no way round. Tell of those that do by
    /// [`succeeded`](Self::succeeded), and of those that came to nothing by [`take_back`](Self::take_back).
    ///
    /// # Errors
    /// How long to wait: all attempts are used up.
    pub fn attempt(&self, address: IpAddr, now: Instant) -> Result<(), TooMany> {
        let mut known = self.known.lock();
        let passed = |began| now.saturating_duration_since(began);
        known.forget(|began| passed(began) >= self.window);
        let networks = self.networks(address);
        for (network, most) in networks.clone() {
            let window = known.window(network, most, now);
            if window.is_used_up() {
                return Err(TooMany(self.window - passed(window.began)));
            }
        }
        // What is refused is not kept: it would have others forgotten.
        for (network, most) in networks {
            let window = known.window(network, most, now);
            known.keep(network, window);
            known.count(network, |tried| tried + 1);
        }
        Ok(())
    }

    /// [`attempt`](Self::attempt) of who asks. Where nobody can say who that is, nothing can be counted, and everybody is let
    /// through: that is written to the log once, as a [`tracing`] event at `ERROR`.
    ///
    /// # Errors
    /// As [`attempt`](Self::attempt).
    pub fn attempt_by(&self, Caller(address): Caller, now: Instant) -> Result<(), TooMany> {
        match address {
            Some(address) => self.attempt(address, now),
            None => {
                self.unknown.call_once(|| {
                    tracing::error!(
                        target: "diesel_tenants_axum",
                        "requests do not say where they come from, so that NO attempt is counted and anybody may guess \
                         passwords; serve with `into_make_service_with_connect_info::<SocketAddr>()`"
                    );
                });
                Ok(())
            }
        }
    }

    /// Takes back an attempt that succeeded: whoever may do it may do it as often as they like. Those that failed stay.
    pub fn succeeded(&self, address: IpAddr) {
        self.take_back(address);
    }

    /// Takes back an attempt that was not made: it was refused before anything could be learnt by it.
    pub fn take_back(&self, address: IpAddr) {
        let mut known = self.known.lock();
        for (network, _) in self.networks(address) {
            known.count(network, |tried| tried.saturating_sub(1));
        }
    }

    /// The networks whose attempts are counted for an address, and how many each has.
    fn networks(&self, address: IpAddr) -> impl Iterator<Item = (IpNet, u32)> + Clone {
        let address = address.to_canonical();
        let (one, many) = match address {
            IpAddr::V4(_) => (32, None),
            IpAddr::V6(_) => (64, Some((48, self.attempts.saturating_mul(MANY)))),
        };
        let bits = std::iter::once((one, self.attempts)).chain(many);
        bits.map(move |(bits, most)| (IpNet::new_assert(address, bits).trunc(), most))
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
    fn networks_of_one_customer_have_so_many_together() {
        let throttle = Throttle::default();
        let begin = Instant::now();
        let customer = |network: u16| IpAddr::from([0x2001, 0xdb8, 7, network, 0, 0, 0, 1]);
        let tries = (0..u16::MAX).take_while(|n| throttle.attempt(customer(*n), begin).is_ok());
        assert_eq!(tries.count() as u32, MANY * ATTEMPTS);
        let kept = throttle.known.lock().windows.len();
        for network in 10_000..11_000 {
            throttle.attempt(customer(network), begin).unwrap_err();
        }
        assert_eq!(throttle.known.lock().windows.len(), kept);
        // What is refused counts nowhere, and what was not made is taken back there as well.
        let wait = throttle.attempt(customer(7), begin + Duration::from_secs(60));
        assert_eq!(wait, Err(TooMany(WINDOW - Duration::from_secs(60))));
        throttle.take_back(customer(7));
        throttle.attempt(customer(8), begin).unwrap();
        assert!(throttle.attempt(customer(7), begin).is_err());
        let other = IpAddr::from([0x2001, 0xdb8, 8, 7, 0, 0, 0, 1]);
        throttle.attempt(other, begin).unwrap();
    }

    #[test]
    fn a_crowd_lets_nobody_in_anew_and_the_table_stays_small() {
        let throttle = Throttle::default();
        let begin = Instant::now();
        let guesser = IpAddr::from([192, 0, 2, 1]);
        for _ in 0..ATTEMPTS {
            throttle.attempt(guesser, begin).unwrap();
        }
        let crowd = |n: u32| IpAddr::V4((0x0a00_0000 + n).into());
        let mut now = begin;
        for n in 0..2 * NETWORKS as u32 {
            now += Duration::from_millis(1);
            throttle.attempt(crowd(n), now).unwrap();
        }
        assert!(throttle.attempt(guesser, now).is_err());
        // One of those that have attempts left, or of those that have none where these are too many.
        for n in 0..NETWORKS as u32 {
            for _ in 0..ATTEMPTS {
                throttle.attempt(crowd(1_000_000 + n), now).unwrap();
            }
        }
        let known = throttle.known.lock();
        assert_eq!(known.windows.len(), NETWORKS);
        assert_eq!(known.open.len() + known.used_up.len(), NETWORKS);
        assert_eq!(known.used_up.len(), NETWORKS / 2 + 1);
        drop(known);
        throttle.attempt(guesser, begin + WINDOW).unwrap();
        throttle.attempt(guesser, now + WINDOW).unwrap();
        assert_eq!(throttle.known.lock().windows.len(), 1);
    }

    /// An attempt of nobody in particular cannot be counted.
    #[test]
    fn nobody_in_particular_is_let_through() {
        let throttle = Throttle::new(0, WINDOW);
        assert!(throttle.attempt_by(Caller(None), Instant::now()).is_ok());
        assert!(throttle.unknown.is_completed(), "it was not said");
        let somebody = Caller(Some([192, 0, 2, 1].into()));
        assert!(throttle.attempt_by(somebody, Instant::now()).is_err());
    }
}
