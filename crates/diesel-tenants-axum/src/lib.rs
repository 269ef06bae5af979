//! [diesel-tenants](diesel_tenants) in [axum]: which tenant a request is for, and work on its database off the async
//! threads.
//!
//! - [`TenantLayer`] finds out *who is asked for*, by a [resolver](resolve): subdomain, domain, path, header, session, or
//!   the first of several that knows.
//! - [`TenantDb`] and [`SharedDb`] are extractors. They give no connection but a way to run something on one:
//!   `tenant.run(|ctx| …).await` takes a [`TenantContext`](diesel_tenants::TenantContext) on the blocking pool, with a
//!   bound on how much runs at once.
//! - [`TenantRejection`] is what a client is told, with the right status, and without a word about which tenants there are.
//! - [`Incident`] is a failure whose cause is in the log, and not in the answer.
//! - [`RequirePrincipal`] stands in front of routes that nobody may use who is nobody. Who asks is a
//!   [`Principal`](diesel_tenants::access::Principal) among the request's extensions; tenants are opened in their name.
//! - [`Caller`] is the address a request comes from, through [`TrustedProxies`]; [`Throttle`] counts what an address tries.
//! - With the feature `hospital`, [`RequireSubscription`](guard::RequireSubscription) and
//!   [`RequireModule`](guard::RequireModule) stand in front of routes.
//!
//! The tenant of a request is a value in that request: there is no task-local and no global, so nothing is inherited by a
//! spawned task or left over for the next request. The request's [`tracing`] span goes along to the blocking pool, and the
//! context's own is entered there.
//!
//! ```
//! use axum::{Json, Router, routing::get};
//! use diesel_tenants::prelude::*;
//! use diesel_tenants::BaseDomains;
//! use diesel_tenants_axum::{RunError, TenantDb, TenantLayer, resolve::BySubdomain};
//!
//! diesel::table! { users { id -> Integer, name -> Text, } }
//! diesel::table! { patients { id -> Integer, name -> Text, } }
//! routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
//!
//! async fn names(tenant: TenantDb) -> Result<Json<Vec<String>>, RunError> {
//!     let names = tenant.run(|ctx| patients::table.select(patients::name).load::<String>(ctx)).await?;
//!     Ok(Json(names))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
//!     .sqlite(directory.path().join("data"))
//!     .init()
//!     .open()?;
//! let resolver = BySubdomain::of(BaseDomains::new(["example.com", "localhost"])?);
//! let app: Router = Router::new()
//!     .route("/patients", get(names))
//!     .layer(TenantLayer::new(tenancy, resolver));
//! # drop(app);
//! # Ok(())
//! # }
//! ```
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod admission;
mod caller;
mod db;
mod domains;
#[cfg(feature = "hospital")]
pub mod guard;
mod incident;
mod layer;
mod principal;
mod rejection;
pub mod resolve;
mod throttle;

pub use admission::Admission;
pub use caller::{Caller, TrustedProxies};
pub use db::{SharedDb, TenantDb};
pub use incident::Incident;
pub use layer::TenantLayer;
pub use principal::RequirePrincipal;
pub use rejection::{RunError, TenantRejection};
pub use throttle::{Throttle, TooMany};
