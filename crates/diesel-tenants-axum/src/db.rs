//! The databases of a request, as extractors.
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use diesel_tenants::access::Principal;
use diesel_tenants::{SharedContext, Status, Tenancy, TenantContext, TenantHandle, TenantId};
use tokio::task::JoinHandle;

use crate::layer::{Resolved, Shared};
use crate::rejection::{RunError, TenantRejection};
use crate::resolve::Wanted;

/// The tenant a request is for.
///
/// Extracting it looks the tenant up, from memory mostly. It holds no connection; [`run`](Self::run) takes one.
///
/// Where a [`Principal`] is among the request's extensions, the tenant is opened in their name, by
/// [`Tenancy::tenant_as`]: they must be a member, each time, and the audit log names them. Without one the tenant is opened
/// for whoever asks; put [`RequirePrincipal`](crate::RequirePrincipal) in front of what must not be.
#[derive(Clone)]
pub struct TenantDb {
    shared: Arc<Shared>,
    handle: TenantHandle,
    uuid: uuid::Uuid,
    /// Who asks, where an earlier layer said so.
    principal: Option<Principal>,
}

/// The shared database.
#[derive(Clone)]
pub struct SharedDb {
    shared: Arc<Shared>,
    /// Who asks, where an earlier layer said so: the audit log names them.
    principal: Option<Principal>,
}

impl TenantDb {
    /// The tenant's id, as it was created.
    #[must_use]
    pub fn id(&self) -> TenantId {
        self.handle.id()
    }

    /// The tenant's own uuid, which no other tenant has ever: an id may become another one's.
    #[must_use]
    pub fn uuid(&self) -> uuid::Uuid {
        self.uuid
    }

    /// The tenant itself, for requests of nobody: what is entered by it is opened in the name of the process, and asks for
    /// no membership. `None` where a [`Principal`] is among the request's extensions; they enter by [`run`](Self::run).
    #[must_use]
    pub fn handle_of_nobody(&self) -> Option<&TenantHandle> {
        match self.principal {
            Some(_) => None,
            None => Some(&self.handle),
        }
    }

    /// Runs `work` with a context on the tenant's database, on the blocking pool.
    ///
    /// Waits in the tenant's line for its turn: see [`Admission`](crate::Admission). When the request goes away before
    /// that, or before a thread took it up, `work` is not run. **Once begun it runs to its end, commit included**,
    /// whether or not anybody waits for the answer; its connection goes back then, and its turn ends then. It is in the
    /// request's `tracing` span, and in the one of the [context](TenantContext::span).
    ///
    /// # Errors
    /// [`RunError::Rejected`] where it was not begun or panicked, [`RunError::Failed`] with what `work` returned.
    pub async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut TenantContext) -> Result<T, E> + Send + 'static,
    ) -> Result<T, RunError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let permit = self.shared.gate.enter(Some(self.uuid)).await?;
        let tenant = self.clone();
        blocking(move || {
            let _permit = permit;
            let mut ctx = tenant.enter()?;
            let _span = ctx.span().entered();
            work(&mut ctx).map_err(RunError::Failed)
        })
        .await
    }

    /// As [`run`](Self::run), with a context on the shared database beside it: two databases, two transactions.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_with_shared<T, E>(
        &self,
        work: impl FnOnce(&mut TenantContext, &mut SharedContext) -> Result<T, E> + Send + 'static,
    ) -> Result<T, RunError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let permit = self.shared.gate.enter(Some(self.uuid)).await?;
        let tenant = self.clone();
        blocking(move || {
            let _permit = permit;
            let mut ctx = tenant.enter()?;
            let mut shared = tenant.acting().shared().map_err(TenantRejection::from)?;
            let _span = ctx.span().entered();
            work(&mut ctx, &mut shared).map_err(RunError::Failed)
        })
        .await
    }
}

impl TenantDb {
    /// Runs `work` with the library and the tenant's id: for what opens its own contexts, as
    /// [`Tenancy::run_workflow`] does. Otherwise as [`run`](Self::run): who asks must be let in, and is named in the audit
    /// log for what `work` does.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn run_on_tenancy<T, E>(
        &self,
        work: impl FnOnce(&Tenancy, &TenantId) -> Result<T, E> + Send + 'static,
    ) -> Result<T, RunError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let permit = self.shared.gate.enter(Some(self.uuid)).await?;
        let tenant = self.clone();
        blocking(move || {
            let _permit = permit;
            if tenant.principal.is_some() {
                drop(tenant.enter()?);
            }
            work(&tenant.acting(), &tenant.id()).map_err(RunError::Failed)
        })
        .await
    }

    /// A context on the tenant's database, in the name of who asks.
    fn enter(&self) -> Result<TenantContext, TenantRejection> {
        let Some(principal) = &self.principal else {
            return Ok(self.handle.enter()?);
        };
        let ctx = self.shared.tenancy.tenant_as(principal, &self.id())?;
        // The id may have become another tenant's since this one was looked up.
        match ctx.tenant_uuid() == self.uuid {
            true => Ok(ctx),
            false => Err(TenantRejection::Unavailable),
        }
    }

    fn acting(&self) -> Tenancy {
        match &self.principal {
            Some(principal) => self.shared.tenancy.acting_as(principal.clone()),
            None => self.shared.tenancy.clone(),
        }
    }
}

impl TenantDb {
    /// Turns a request for a tenant that is closed away here: guards and log-in pages answer before any database is
    /// entered, and would tell it from one that is unknown. Entering asks for the newest word, and waits for a restore.
    async fn if_open(self) -> Result<Self, TenantRejection> {
        match self.run(|_| Ok::<_, ()>(())).await {
            Ok(()) => Ok(self),
            Err(RunError::Rejected(rejection)) => Err(rejection),
            Err(RunError::Failed(())) => unreachable!("nothing is done that could fail"),
        }
    }
}

impl SharedDb {
    /// Runs `work` with a context on the shared database; otherwise as [`TenantDb::run`].
    ///
    /// # Errors
    /// As [`TenantDb::run`].
    pub async fn run<T, E>(
        &self,
        work: impl FnOnce(&mut SharedContext) -> Result<T, E> + Send + 'static,
    ) -> Result<T, RunError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let acting = self.acting();
        let permit = self.shared.gate.enter(None).await?;
        blocking(move || {
            let _permit = permit;
            let mut ctx = acting.shared().map_err(TenantRejection::from)?;
            let _span = ctx.span().entered();
            work(&mut ctx).map_err(RunError::Failed)
        })
        .await
    }

    /// Runs `work` with the library, for what concerns no tenant that is there yet, as registering one. Otherwise as
    /// [`run`](Self::run): it takes its turn with all other work.
    ///
    /// # Errors
    /// As [`TenantDb::run`].
    pub async fn run_on_tenancy<T, E>(
        &self,
        work: impl FnOnce(&Tenancy) -> Result<T, E> + Send + 'static,
    ) -> Result<T, RunError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let acting = self.acting();
        let permit = self.shared.gate.enter(None).await?;
        blocking(move || {
            let _permit = permit;
            work(&acting).map_err(RunError::Failed)
        })
        .await
    }

    fn acting(&self) -> Tenancy {
        match &self.principal {
            Some(principal) => self.shared.tenancy.acting_as(principal.clone()),
            None => self.shared.tenancy.clone(),
        }
    }
}

/// Work that nobody waits for any more is not begun: aborting does nothing to what a thread works on already.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, RunError<E>> + Send + 'static,
) -> Result<T, RunError<E>>
where
    T: Send + 'static,
    E: Send + 'static,
{
    // The pool's threads have no span of their own.
    let span = tracing::Span::current();
    let mut task = AbortOnDrop(tokio::task::spawn_blocking(move || span.in_scope(work)));
    match (&mut task.0).await {
        Ok(outcome) => outcome,
        // What it said is not passed on: a panic's text may hold anything.
        Err(_) => Err(TenantRejection::Panicked.into()),
    }
}

fn resolved(parts: &Parts) -> Result<&Resolved, TenantRejection> {
    let resolved = parts.extensions.get::<Resolved>();
    resolved.ok_or(TenantRejection::NoLayer)
}

impl<S: Send + Sync> FromRequestParts<S> for TenantDb {
    type Rejection = TenantRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TenantRejection> {
        let resolved = resolved(parts)?;
        let shared = Arc::clone(&resolved.shared);
        let mut wanted = resolved.wanted.clone()?;
        while let Some(Wanted::Domain(domain)) = wanted {
            let asked = domain.clone();
            let whose = look_up(&shared, move |_| {
                asked.look_up().map_err(TenantRejection::Domain)
            });
            wanted = match whose.await? {
                Some(tenant) => Some(Wanted::Uuid(tenant)),
                // Another resolver may know the request by something else.
                None => {
                    domain.leave_to_others(&mut parts.extensions);
                    shared.resolver.resolve(parts)?
                }
            };
        }
        let wanted = wanted.ok_or(TenantRejection::NoTenant)?;
        // From memory, as this is one of the threads that all requests share. Where that is too old, on the blocking pool.
        let known = known(&shared.tenancy, &wanted);
        let known = known.and_then(|handle| Some((handle.try_record()?, handle)));
        let (record, handle) = match known {
            Some(known) => known,
            None => {
                look_up(&shared, move |tenancy| {
                    let handle = found(tenancy, &wanted)?;
                    Ok((handle.record()?, handle))
                })
                .await?
            }
        };
        let tenant = Self {
            shared,
            handle,
            uuid: record.uuid,
            principal: parts.extensions.get::<Principal>().cloned(),
        };
        match record.status {
            Status::Active => Ok(tenant),
            _ => tenant.if_open().await,
        }
    }
}

/// From memory alone.
fn known(tenancy: &Tenancy, wanted: &Wanted) -> Option<TenantHandle> {
    match wanted {
        Wanted::Id(id) => tenancy.try_handle(id),
        Wanted::Subdomain(subdomain) => tenancy.try_handle_at(subdomain),
        Wanted::Uuid(uuid) => tenancy.try_handle_of(*uuid),
        Wanted::Domain(_) => None,
    }
}

/// From the catalogue.
fn found(tenancy: &Tenancy, wanted: &Wanted) -> Result<TenantHandle, TenantRejection> {
    match wanted {
        Wanted::Id(id) => Ok(tenancy.handle(id)?),
        Wanted::Subdomain(subdomain) => Ok(tenancy.handle_at(subdomain)?),
        Wanted::Uuid(uuid) => tenancy
            .handle_of(*uuid)?
            .ok_or(TenantRejection::Unavailable),
        Wanted::Domain(_) => Err(TenantRejection::NoTenant),
    }
}

/// Looks something up on the blocking pool, in the line of what belongs to no tenant: anybody can ask for what is not there.
async fn look_up<T: Send + 'static>(
    shared: &Shared,
    look: impl FnOnce(&Tenancy) -> Result<T, TenantRejection> + Send + 'static,
) -> Result<T, TenantRejection> {
    let tenancy = shared.tenancy.clone();
    let permit = shared.gate.enter(None).await?;
    let found = blocking(move || {
        let _permit = permit;
        look(&tenancy).map_err(RunError::<()>::Rejected)
    });
    found.await.map_err(|error| match error {
        RunError::Rejected(rejection) => rejection,
        RunError::Failed(()) => unreachable!("a look-up has no error of its own"),
    })
}

impl<S: Send + Sync> FromRequestParts<S> for SharedDb {
    type Rejection = TenantRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, TenantRejection> {
        let shared = Arc::clone(&resolved(parts)?.shared);
        let principal = parts.extensions.get::<Principal>().cloned();
        Ok(Self { shared, principal })
    }
}
