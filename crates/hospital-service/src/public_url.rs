//! What browsers call the service.
use std::fmt;
use std::str::FromStr;

use axum::http::Uri;
use diesel_tenants::{BaseDomainError, BaseDomains};

/// The address of the service as browsers have it, which is not where it listens if something stands in front: scheme, host and
/// port. Each hospital is at a host of its own below this one.
///
/// ```
/// use hospital_service::PublicUrl;
///
/// let url: PublicUrl = "https://example.org".parse()?;
/// assert_eq!(url.to("/console"), "https://example.org/console");
/// assert_eq!(url.below("north", "/login"), "https://north.example.org/login");
/// # Ok::<(), hospital_service::PublicUrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    tls: bool,
    host: String,
    /// None: that of the scheme.
    port: Option<u16>,
}

/// Why a text is no [`PublicUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicUrlError {
    /// It is no address, or has more in it than scheme, host and port.
    #[error(
        "not an address of a service: `https://`, a host and a port if it needs one, such as `https://example.org`"
    )]
    NotAnAddress,
    /// No hospital could be at a host below.
    #[error("hospitals are at hosts below this one, which cannot have any")]
    Host(#[source] BaseDomainError),
    /// Passwords and records would go over the network as they are.
    #[error(
        "`http://` is for `localhost` alone; on a network have a proxy end TLS in front, and say `https://`"
    )]
    InTheClear,
}

impl PublicUrl {
    /// `http://localhost` and this port. Browsers find `*.localhost` on this machine without being told.
    #[must_use]
    pub fn localhost(port: u16) -> Self {
        let port = (port != 80).then_some(port);
        let host = "localhost".to_owned();
        Self {
            tls: false,
            host,
            port,
        }
    }

    /// Whether TLS ends in front of the service.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.tls
    }

    /// The host, without the port, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address of one of the service's own pages.
    #[must_use]
    pub fn to(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// The address of a page of a hospital.
    #[must_use]
    pub fn below(&self, subdomain: &str, path: &str) -> String {
        let host = format!("{subdomain}.{}", self.host);
        let hospital = Self {
            host,
            ..self.clone()
        };
        hospital.to(path)
    }

    /// The domain below of which the hospitals are.
    pub(crate) fn base(&self) -> BaseDomains {
        BaseDomains::new([&self.host]).expect("it was looked at when this was made")
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let url: Uri = text.parse().map_err(|_| PublicUrlError::NotAnAddress)?;
        let (tls, usual) = match url.scheme_str() {
            Some("https") => (true, 443),
            Some("http") => (false, 80),
            _ => return Err(PublicUrlError::NotAnAddress),
        };
        let authority = url.authority().ok_or(PublicUrlError::NotAnAddress)?;
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16();
        // A user, a port that is none, a path: whatever else is in it.
        let whole = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        let is_whole = authority.as_str().eq_ignore_ascii_case(&whole);
        if !is_whole || url.path() != "/" || url.query().is_some() || text.contains('#') {
            return Err(PublicUrlError::NotAnAddress);
        }
        BaseDomains::new([&host]).map_err(PublicUrlError::Host)?;
        let is_here = host == "localhost" || host.ends_with(".localhost");
        if !tls && !is_here {
            return Err(PublicUrlError::InTheClear);
        }
        let port = port.filter(|port| *port != usual);
        Ok(Self { tls, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_a_host_and_a_port() {
        let read = |text: &str| text.parse::<PublicUrl>();
        for (given, shown) in [
            ("https://example.org", "https://example.org"),
            ("https://Example.ORG:443/", "https://example.org"),
            ("https://example.org:8443", "https://example.org:8443"),
            ("http://localhost:80", "http://localhost"),
            ("http://demo.localhost:8080", "http://demo.localhost:8080"),
        ] {
            assert_eq!(read(given).unwrap().to_string(), shown);
        }
        let url = read("https://example.org:8443").unwrap();
        assert_eq!(url.below("north", "/x"), "https://north.example.org:8443/x");
        assert_eq!(PublicUrl::localhost(80), read("http://localhost").unwrap());
        for none in [
            "",
            "example.org",
            "ftp://example.org",
            "https://",
            "https://example.org/path",
            "https://example.org?query",
            "https://example.org/#fragment",
            "https://ada@example.org",
            "https://example.org:",
            "https://example.org:99999",
        ] {
            assert_eq!(read(none), Err(PublicUrlError::NotAnAddress), "{none}");
        }
        for no_domain in ["https://192.0.2.1", "https://[::1]", "https://a..b"] {
            let refused = read(no_domain);
            assert!(
                matches!(refused, Err(PublicUrlError::Host(_))),
                "{no_domain}"
            );
        }
        for far in ["http://example.org", "http://localhost.example.org"] {
            assert_eq!(read(far), Err(PublicUrlError::InTheClear), "{far}");
        }
    }
}
