//! The address a request comes from, also when proxies stand in front.
//!
//! Whoever asks can write any address into a header, so that none is believed unless it is said which proxies write it:
//!
//! ```
//! use axum::{Router, routing::get};
//! use diesel_tenants_axum::{Caller, TrustedProxies};
//!
//! let app: Router = Router::new()
//!     .route("/", get(|Caller(address): Caller| async move { format!("{address:?}") }))
//!     // Around everything that asks where a request comes from.
//!     .layer(TrustedProxies::x_forwarded_for(["127.0.0.1/32".parse()?]));
//! // … and serve it with `into_make_service_with_connect_info::<SocketAddr>()`.
//! # drop(app);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::header::FORWARDED;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName};
use ipnet::IpNet;
use tower_layer::Layer;
use tower_service::Service;

/// The address of who asks: what [`TrustedProxies`] around the route found out, and without them the other end of the
/// connection. `None` where the service does not say who that is: serve it with `into_make_service_with_connect_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller(pub Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let found = parts.extensions.get::<Self>().copied();
        Ok(found.unwrap_or_else(|| Self(peer(&parts.extensions))))
    }
}

/// The other end of the connection.
fn peer(extensions: &Extensions) -> Option<IpAddr> {
    let peer = extensions.get::<ConnectInfo<SocketAddr>>();
    peer.map(|peer| peer.0.ip().to_canonical())
}

/// The proxies in front of a service, whose word on where a request comes from is taken: a layer, for [`Caller`].
///
/// Each proxy adds, at the end of one header, the address it was asked from. So the list is read from its end: as long as
/// who is named is one of these proxies, what that one wrote is believed, too; the first who is none of them asks. What
/// stands before may be invented. **One header is believed, and it must be one that your proxies write**: the other is
/// passed on as it came. Where the header is missing or cannot be read, who asks is the last whose address is known for
/// sure, which is a proxy then; nobody gets another's address by it.
///
/// The default trusts nobody.
#[derive(Debug, Clone)]
pub struct TrustedProxies {
    networks: Arc<[IpNet]>,
    header: Header,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

impl TrustedProxies {
    /// Proxies in these networks, that write `X-Forwarded-For`.
    pub fn x_forwarded_for(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self::of(networks, Header::XForwardedFor)
    }

    /// Proxies in these networks, that write `Forwarded` (RFC 7239).
    pub fn forwarded(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self::of(networks, Header::Forwarded)
    }

    /// Proxies on this very machine, that write `X-Forwarded-For`.
    #[must_use]
    pub fn loopback() -> Self {
        Self::x_forwarded_for(Self::LOOPBACK)
    }

    /// The networks of this very machine.
    pub const LOOPBACK: [IpNet; 2] = [
        IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8)),
        IpNet::V6(ipnet::Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    ];

    fn of(networks: impl IntoIterator<Item = IpNet>, header: Header) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            header,
        }
    }

    /// Who asks, of a request with these headers from `peer`.
    fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
        let (name, address): (_, fn(&str) -> Option<IpAddr>) = match self.header {
            Header::XForwardedFor => (X_FORWARDED_FOR, node),
            Header::Forwarded => (FORWARDED, forwarded_for),
        };
        let mut known = peer;
        // Several headers are one list.
        for line in headers.get_all(name).iter().rev() {
            let Ok(line) = line.to_str() else {
                return known;
            };
            for hop in line.rsplit(',') {
                if !self.trusts(known) {
                    return known;
                }
                match address(hop.trim()) {
                    Some(address) => known = address,
                    None => return known,
                }
            }
        }
        known
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|net| net.contains(&address))
    }
}

impl Default for TrustedProxies {
    fn default() -> Self {
        Self::x_forwarded_for([])
    }
}

/// The address in `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]` and `[2001:db8::1]:4711`.
fn node(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| bracketed().map(IpAddr::V6));
    let address = address.or_else(|| text.parse().ok().map(|with: SocketAddr| with.ip()));
    address.map(|address| address.to_canonical())
}

/// The address in the `for` of one element of `Forwarded`. A name that hides it is none, nor is an element that says it
/// twice, or that is a part of one only: what who asks calls the host may have commas in its quotes.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let is_whole = element.matches('"').count().is_multiple_of(2) && !element.contains('\\');
    if !is_whole {
        return None;
    }
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let ((_, value), None) = (named.next()?, named.next()) else {
        return None;
    };
    let value = value.trim();
    let unquoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    node(unquoted.unwrap_or(value))
}

impl<S> Layer<S> for TrustedProxies {
    type Service = BehindProxies<S>;

    fn layer(&self, inner: S) -> BehindProxies<S> {
        let proxies = self.clone();
        BehindProxies { inner, proxies }
    }
}

/// Made by [`TrustedProxies`].
#[derive(Debug, Clone)]
pub struct BehindProxies<S> {
    inner: S,
    proxies: TrustedProxies,
}

impl<S: Service<Request>> Service<Request> for BehindProxies<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        let peer = peer(request.extensions());
        let caller = Caller(peer.map(|peer| self.proxies.caller(peer, request.headers())));
        request.extensions_mut().insert(caller);
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_who_is_no_proxy_asks() {
        let proxies = ["10.0.0.0/8", "127.0.0.1/32", "2001:db8:1::/48"];
        let proxies = proxies.map(|net| net.parse().unwrap());
        let (outside, inside) = ("203.0.113.7", "10.0.0.1");
        let x = TrustedProxies::x_forwarded_for(proxies);
        let rfc = TrustedProxies::forwarded(proxies);
        let nobody = TrustedProxies::default();
        let (x_name, rfc_name) = ("x-forwarded-for", "forwarded");
        let cases: [(&TrustedProxies, &str, &str, &[&str], &str); 27] = [
            // A host that who asks has made up, quoted by the proxy.
            (
                &rfc,
                inside,
                rfc_name,
                &[r#"for=198.51.100.1;host="x,for=192.0.2.1;a""#],
                inside,
            ),
            (
                &rfc,
                inside,
                rfc_name,
                &[r#"for=198.51.100.1;host="x\",for=192.0.2.1;a=\"""#],
                inside,
            ),
            // Who is no proxy is not believed, and nobody is one unless it is said.
            (&x, outside, x_name, &["192.0.2.1"], outside),
            (&nobody, "127.0.0.1", x_name, &["192.0.2.1"], "127.0.0.1"),
            (&x, inside, x_name, &["192.0.2.1"], "192.0.2.1"),
            (
                &x,
                "::ffff:10.0.0.1",
                x_name,
                &["::ffff:192.0.2.1"],
                "192.0.2.1",
            ),
            // What stands before the last that is no proxy was sent by who asks.
            (
                &x,
                inside,
                x_name,
                &["192.0.2.1, 198.51.100.1"],
                "198.51.100.1",
            ),
            (
                &x,
                inside,
                x_name,
                &["192.0.2.1, 198.51.100.1,10.0.0.2"],
                "198.51.100.1",
            ),
            (
                &x,
                inside,
                x_name,
                &["192.0.2.1", "198.51.100.1", "10.0.0.2"],
                "198.51.100.1",
            ),
            (
                &x,
                inside,
                x_name,
                &["nonsense, 198.51.100.1"],
                "198.51.100.1",
            ),
            (&x, inside, x_name, &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // What cannot be read ends the search at who is known for sure.
            (&x, inside, x_name, &[], inside),
            (&x, inside, x_name, &[""], inside),
            (&x, inside, x_name, &["192.0.2.1, nonsense"], inside),
            (&x, inside, x_name, &["192.0.2.1, , 10.0.0.2"], "10.0.0.2"),
            (&x, inside, x_name, &["192.0.2.1,"], inside),
            (&x, inside, x_name, &["192.0.2.1:"], inside),
            (&x, inside, x_name, &["192.0.2.1:4711"], "192.0.2.1"),
            (
                &x,
                inside,
                x_name,
                &["[2001:db8:2::1]:4711"],
                "2001:db8:2::1",
            ),
            (
                &x,
                inside,
                x_name,
                &["198.51.100.1, 2001:db8:1::1"],
                "198.51.100.1",
            ),
            // The other header is whatever was sent.
            (&x, inside, rfc_name, &["for=192.0.2.1"], inside),
            (&rfc, inside, x_name, &["192.0.2.1"], inside),
            (
                &rfc,
                inside,
                rfc_name,
                &["for=192.0.2.9, For=192.0.2.1;proto=https"],
                "192.0.2.1",
            ),
            (
                &rfc,
                inside,
                rfc_name,
                &["by=10.0.0.1; for=\"[2001:db8:2::1]:80\""],
                "2001:db8:2::1",
            ),
            (
                &rfc,
                inside,
                rfc_name,
                &["for=192.0.2.1, for=_hidden"],
                inside,
            ),
            (
                &rfc,
                inside,
                rfc_name,
                &["for=192.0.2.1;for=192.0.2.2"],
                inside,
            ),
            (
                &rfc,
                inside,
                rfc_name,
                &["for=\"192.0.2.1, for=10.0.0.2"],
                "10.0.0.2",
            ),
        ];
        for (proxies, peer, name, lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(name, line.parse().unwrap());
            }
            let peer: IpAddr = peer.parse().unwrap();
            let found = proxies.caller(peer.to_canonical(), &headers);
            assert_eq!(found.to_string(), expected, "{peer} {name} {lines:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append(x_name, "192.0.2.1".parse().unwrap());
        let no_text = axum::http::HeaderValue::from_bytes(b"\xff").unwrap();
        headers.append(x_name, no_text);
        assert_eq!(
            x.caller(inside.parse().unwrap(), &headers).to_string(),
            inside
        );
    }
}
