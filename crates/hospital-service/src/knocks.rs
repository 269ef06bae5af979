//! How often an address may try to log in.
//!
//! A table of our own, because it must be small and stay small: what a rate-limiting crate keeps for each key is cleaned by
//! whoever uses it, and the rule here is one number in one window.
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use parking_lot::Mutex;

/// Attempts an address has in a window: a hospital's front desk behind one address gets by, guessing does not.
const ATTEMPTS: u32 = 30;
const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Addresses that are remembered at once, some 500 KB.
const ADDRESSES: usize = 10_000;

/// The attempts of each address in its window.
#[derive(Default)]
pub(crate) struct Knocks(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Knocks {
    /// Counts an attempt, or says how long to wait.
    pub(crate) fn knock(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut known = self.0.lock();
        let address = network(address);
        if known.len() >= ADDRESSES && !known.contains_key(&address) {
            known.retain(|_, (began, _)| now.saturating_duration_since(*began) < WINDOW);
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
        if passed >= WINDOW {
            (*began, *count) = (now, 0);
        } else if *count >= ATTEMPTS {
            return Err(WINDOW - passed);
        }
        *count += 1;
        Ok(())
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

/// The address of who asks: the other end of the connection. Behind a proxy that is the proxy, which then has to count.
pub(crate) struct Caller(pub(crate) Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(peer.map(|peer| peer.0.ip())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_attempts_and_gets_them_back() {
        let knocks = Knocks::default();
        let (one, other) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let begin = Instant::now();
        for _ in 0..ATTEMPTS {
            knocks.knock(one, begin).unwrap();
        }
        let later = begin + Duration::from_secs(60);
        assert_eq!(
            knocks.knock(one, later),
            Err(WINDOW - Duration::from_secs(60))
        );
        knocks.knock(other, later).unwrap();
        knocks.knock(one, begin + WINDOW).unwrap();
        // A network's addresses are one.
        let in_network = |last: u16| IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]);
        for n in 0..ATTEMPTS {
            knocks.knock(in_network(n as u16), begin).unwrap();
        }
        assert!(knocks.knock(in_network(9_999), begin).is_err());
        assert!(
            knocks
                .knock([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1].into(), begin)
                .is_ok()
        );
    }

    #[test]
    fn the_table_stays_small() {
        let knocks = Knocks::default();
        let begin = Instant::now();
        for n in 0..ADDRESSES as u32 + 500 {
            let address = IpAddr::V4(n.into());
            knocks
                .knock(address, begin + Duration::from_millis(n.into()))
                .unwrap();
        }
        assert_eq!(knocks.0.lock().len(), ADDRESSES);
    }
}
