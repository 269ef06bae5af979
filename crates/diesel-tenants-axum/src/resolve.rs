//! Who a request is for: from its host, path, headers or session to the name of a tenant.
//!
//! A resolver reads the head of a request and nothing else; whether there is such a tenant is looked up afterwards. It
//! says `Ok(None)` where it finds no name, so that [`FirstOf`] asks the next one, and an error where it finds one that
//! cannot be: a request that is wrong is never passed on to a resolver that would take it.
use std::fmt;

use axum::http::HeaderName;
use axum::http::header::HOST;
use axum::http::request::Parts;
use diesel_tenants::{BaseDomains, HostError, Subdomain, TenantId, TenantIdError, host_name};
use uuid::Uuid;

pub use crate::domains::{ByDomain, NewDomain};

/// The tenant a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted {
    /// By its id.
    Id(TenantId),
    /// By its subdomain.
    Subdomain(Subdomain),
    /// By its own uuid, which no other tenant has ever.
    Uuid(Uuid),
    /// Whoever has this domain, which is to be looked up.
    Domain(NewDomain),
}

/// Finds out which tenant a request asks for.
pub trait Resolve: Send + Sync + 'static {
    /// The tenant the request asks for, `None` where it does not say.
    ///
    /// # Errors
    /// What it says cannot be.
    fn resolve(&self, request: &Parts) -> Result<Option<Wanted>, ResolveError>;
}

/// Why a request is refused before any tenant is looked for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// There is more than one `Host` header: two programs on the way could each believe another one.
    #[error("the request has {found} `Host` headers, one is allowed")]
    ManyHosts {
        /// How many there are.
        found: usize,
    },
    /// The `Host` header and the address of the request name different hosts: two programs on the way could each believe
    /// another one.
    #[error("the request names two hosts, in its address and in its `Host` header")]
    TwoHosts,
    /// The host is no host, or not one of this service.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A header or path names a tenant that cannot be.
    #[error(transparent)]
    TenantId(#[from] TenantIdError),
    /// A header has bytes that are no text.
    #[error("the header `{name}` is not text")]
    NotText {
        /// The header.
        name: HeaderName,
    },
    /// A header is there more than once.
    #[error("the request has more than one `{name}` header")]
    ManyHeaders {
        /// The header.
        name: HeaderName,
    },
}

/// The host a request names: its one `Host` header, or what HTTP/2 has in its place. `None` where it names none.
///
/// # Errors
/// [`ResolveError::ManyHosts`], [`ResolveError::TwoHosts`], [`ResolveError::NotText`]; [`ResolveError::Host`] where one of two
/// is none.
pub fn host(request: &Parts) -> Result<Option<&str>, ResolveError> {
    let addressed = request.uri.authority().map(|authority| authority.as_str());
    let mut hosts = request.headers.get_all(HOST).iter();
    let (first, more) = (hosts.next(), hosts.count());
    match first {
        Some(_) if more > 0 => Err(ResolveError::ManyHosts { found: more + 1 }),
        Some(host) => match host.to_str() {
            Ok(host) => match addressed {
                Some(other) if !host_name(other)?.eq_ignore_ascii_case(host_name(host)?) => {
                    Err(ResolveError::TwoHosts)
                }
                _ => Ok(Some(host)),
            },
            Err(_) => Err(ResolveError::NotText { name: HOST }),
        },
        None => Ok(addressed),
    }
}

/// `city-general.example.com` → the tenant with the subdomain `city-general`.
#[derive(Debug, Clone)]
pub struct BySubdomain(BaseDomains);

impl BySubdomain {
    /// Below these domains.
    #[must_use]
    pub fn of(domains: BaseDomains) -> Self {
        Self(domains)
    }
}

impl Resolve for BySubdomain {
    fn resolve(&self, request: &Parts) -> Result<Option<Wanted>, ResolveError> {
        let Some(host) = host(request)? else {
            return Ok(None);
        };
        match self.0.subdomain_of(host) {
            Ok(subdomain) => Ok(Some(Wanted::Subdomain(subdomain))),
            // The service's own pages are at the base domain, and another resolver may know another host.
            Err(HostError::NoSubdomain { .. } | HostError::UnknownHost { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// `/t/TH001/patients` → `TH001`, for routes nested at `/t/{tenant}`.
#[derive(Debug, Clone)]
pub struct ByPathPrefix(String);

impl ByPathPrefix {
    /// What stands before the tenant's id, as in `/t`.
    pub fn new(prefix: impl Into<String>) -> Self {
        let prefix: String = prefix.into();
        Self(format!("/{}/", prefix.trim_matches('/')))
    }
}

impl Resolve for ByPathPrefix {
    fn resolve(&self, request: &Parts) -> Result<Option<Wanted>, ResolveError> {
        let original = request.extensions.get::<axum::extract::OriginalUri>();
        let path = original.map_or(request.uri.path(), |original| original.0.path());
        let Some(rest) = path.strip_prefix(&self.0) else {
            return Ok(None);
        };
        // Not decoded: an id has no character that would be encoded, and `%2e` is refused as what it is.
        let id = rest.split('/').next().unwrap_or_default();
        Ok(Some(Wanted::Id(id.parse()?)))
    }
}

/// A header that a proxy of your own sets, and removes from what it gets. Never believe one from outside: whoever can set
/// it chooses the tenant.
#[derive(Debug, Clone)]
pub struct ByHeader(HeaderName);

impl ByHeader {
    /// Believes this header. There is no default name on purpose.
    #[must_use]
    pub fn trusted(name: HeaderName) -> Self {
        Self(name)
    }
}

impl Resolve for ByHeader {
    fn resolve(&self, request: &Parts) -> Result<Option<Wanted>, ResolveError> {
        let mut values = request.headers.get_all(&self.0).iter();
        let (first, more) = (values.next(), values.next());
        let name = || self.0.clone();
        let Some(value) = first else { return Ok(None) };
        if more.is_some() {
            return Err(ResolveError::ManyHeaders { name: name() });
        }
        let text = value
            .to_str()
            .map_err(|_| ResolveError::NotText { name: name() })?;
        Ok(Some(Wanted::Id(text.parse()?)))
    }
}

/// What an earlier layer found out and put into the request's extensions: a session, the claim of a token.
pub struct ByClaim<F>(F);

impl<F> ByClaim<F>
where
    F: Fn(&Parts) -> Option<TenantId> + Send + Sync + 'static,
{
    /// `read` looks for the tenant in the request's extensions.
    pub fn new(read: F) -> Self {
        Self(read)
    }
}

impl<F> fmt::Debug for ByClaim<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByClaim(…)")
    }
}

impl<F> Resolve for ByClaim<F>
where
    F: Fn(&Parts) -> Option<TenantId> + Send + Sync + 'static,
{
    fn resolve(&self, request: &Parts) -> Result<Option<Wanted>, ResolveError> {
        Ok((self.0)(request).map(Wanted::Id))
    }
}

/// The first resolver that finds a name. One that finds a wrong one ends the search.
#[derive(Default)]
pub struct FirstOf(Vec<Box<dyn Resolve>>);

impl FirstOf {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// And this one, after those before.
    #[must_use]
    pub fn or(mut self, resolver: impl Resolve) -> Self {
        self.0.push(Box::new(resolver));
        self
    }
}

impl fmt::Debug for FirstOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FirstOf").field(&self.0.len()).finish()
    }
}

impl Resolve for FirstOf {
    fn resolve(&self, request: &Parts) -> Result<Option<Wanted>, ResolveError> {
        for resolver in &self.0 {
            if let Some(found) = resolver.resolve(request)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
