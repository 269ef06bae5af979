//! Customers' own domains.
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Extensions;
use axum::http::request::Parts;
use diesel_tenants::host_name;
use parking_lot::Mutex;
use uuid::Uuid;

use crate::resolve::{Resolve, ResolveError, Wanted, host};

/// Domains whose answer is remembered. Who asks chooses them.
const REMEMBERED: usize = 10_000;

type Lookup =
    dyn Fn(&str) -> Result<Option<Uuid>, Box<dyn Error + Send + Sync>> + Send + Sync + 'static;

/// A customer's own domain, `clinic.example` → its tenant. Hosts that are nobody's are left to other resolvers.
///
/// A domain belongs to a tenant by its *uuid*: an id may become another tenant's, which must not inherit the domain.
#[derive(Clone)]
pub struct ByDomain(Domains);

#[derive(Clone)]
enum Domains {
    Listed(Arc<HashMap<String, Uuid>>),
    LookedUp(Arc<LookedUp>),
}

struct LookedUp {
    lookup: Box<Lookup>,
    freshness: Duration,
    /// What was found, and when it was asked for.
    known: Mutex<HashMap<String, (Instant, Option<Uuid>)>>,
}

impl ByDomain {
    /// These domains, for as long as the process runs: compared without regard to case, a port and a final dot. One that is
    /// no host is nobody's.
    pub fn new<D: AsRef<str>>(domains: impl IntoIterator<Item = (D, Uuid)>) -> Self {
        let named = |(domain, tenant): (D, Uuid)| Some((folded(domain.as_ref()).ok()?, tenant));
        let listed = domains.into_iter().filter_map(named).collect();
        Self(Domains::Listed(Arc::new(listed)))
    }

    /// Asks `lookup` which tenant a domain belongs to, such as in a table of the shared database: a change needs no restart.
    /// It is given a host in lower case, without port and final dot, and is called on the blocking pool, in the line of what
    /// [belongs to no tenant](crate::Admission::running_shared). What it says, `None` too, is believed for `freshness`: take
    /// the library's own, 1 s unless told otherwise. Where it fails, requests are `500`, and its error is in the log.
    ///
    /// ```
    /// use std::time::Duration;
    /// use diesel_tenants_axum::resolve::ByDomain;
    /// # fn ask_the_shared_database(_: &str) -> Result<Option<uuid::Uuid>, std::io::Error> { Ok(None) }
    ///
    /// let domains = ByDomain::looked_up(Duration::from_secs(1), |domain| {
    ///     Ok(ask_the_shared_database(domain)?)
    /// });
    /// # drop(domains);
    /// ```
    pub fn looked_up(
        freshness: Duration,
        lookup: impl Fn(&str) -> Result<Option<Uuid>, Box<dyn Error + Send + Sync>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Domains::LookedUp(Arc::new(LookedUp {
            lookup: Box::new(lookup),
            freshness,
            known: Mutex::default(),
        })))
    }
}

/// A host without its port and final dot, in lower case.
fn folded(host: &str) -> Result<String, ResolveError> {
    Ok(host_name(host)?.to_ascii_lowercase())
}

impl fmt::Debug for ByDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ByDomain(…)")
    }
}

impl Resolve for ByDomain {
    fn resolve(&self, request: &Parts) -> Result<Option<Wanted>, ResolveError> {
        let Some(name) = host(request)?.map(folded).transpose()? else {
            return Ok(None);
        };
        Ok(match &self.0 {
            Domains::Listed(listed) => listed.get(&name).copied().map(Wanted::Uuid),
            Domains::LookedUp(domains) => match domains.known(&name) {
                Some(whose) => whose.map(Wanted::Uuid),
                None => {
                    let domains = Arc::clone(domains);
                    let new = NewDomain { name, domains };
                    let nobodys = request.extensions.get::<Nobodys>();
                    let is_nobodys = nobodys.is_some_and(|it| it.0.contains(&new));
                    (!is_nobodys).then_some(Wanted::Domain(new))
                }
            },
        })
    }
}

impl LookedUp {
    /// What is known and not too old.
    fn known(&self, name: &str) -> Option<Option<Uuid>> {
        let known = self.known.lock();
        let (asked_at, whose) = known.get(name)?;
        (asked_at.elapsed() < self.freshness).then_some(*whose)
    }

    fn remember(&self, name: String, asked_at: Instant, whose: Option<Uuid>) {
        let mut known = self.known.lock();
        if known.len() >= REMEMBERED {
            known.retain(|_, (asked_at, _)| asked_at.elapsed() < self.freshness);
        }
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(name, (asked_at, whose));
    }
}

/// A domain that is not known, or has not been asked for of late. [`TenantDb`](crate::TenantDb) looks it up.
#[derive(Clone)]
pub struct NewDomain {
    name: String,
    domains: Arc<LookedUp>,
}

/// The domains that were looked up for a request and belong to nobody, whatever others hear a moment later.
#[derive(Clone, Default)]
struct Nobodys(Vec<NewDomain>);

impl NewDomain {
    /// Keeps in mind that it was looked up for this request, in vain.
    pub(crate) fn leave_to_others(self, extensions: &mut Extensions) {
        let nobodys = extensions.get_or_insert_default::<Nobodys>();
        nobodys.0.push(self);
    }

    /// Asks whose it is. Blocks.
    pub(crate) fn look_up(self) -> Result<Option<Uuid>, Box<dyn Error + Send + Sync>> {
        // Somebody else may have asked while this waited for its turn.
        if let Some(whose) = self.domains.known(&self.name) {
            return Ok(whose);
        }
        let asked_at = Instant::now();
        let whose = (self.domains.lookup)(&self.name)?;
        self.domains.remember(self.name, asked_at, whose);
        Ok(whose)
    }
}

impl fmt::Debug for NewDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NewDomain").field(&self.name).finish()
    }
}

impl PartialEq for NewDomain {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.domains, &other.domains)
    }
}

impl Eq for NewDomain {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let ByDomain(Domains::LookedUp(domains)) =
            ByDomain::looked_up(Duration::from_secs(60), |_| Ok(None))
        else {
            unreachable!()
        };
        for n in 0..REMEMBERED + 100 {
            domains.remember(format!("{n}.example"), Instant::now(), None);
        }
        assert!(domains.known.lock().len() <= REMEMBERED);
        assert_eq!(
            domains.known(&format!("{}.example", REMEMBERED + 99)),
            Some(None)
        );
    }
}
