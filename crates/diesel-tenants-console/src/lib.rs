//! A console for [diesel-tenants](diesel_tenants): what tenants there are, how they are, and what to do about it.
//!
//! An [axum] router, to be mounted under any path of a service that has the library open. Its pages are made on the
//! server and need no script; what script there is only saves clicks. It shows the catalogue, schemas, sizes, backups,
//! findings and the audit log; **it never reads a row of a tenant**. [`HospitalSubscriptions`] counts some, for the limits
//! of a plan; an application with subscriptions of its own gives [`Console::subscriptions`] another source.
//!
//! ```
//! use axum::Router;
//! use diesel_tenants::prelude::*;
//! use diesel_tenants::models::{ROUTES, SHARED_MIGRATIONS, TENANT_MIGRATIONS};
//! use diesel_tenants_console::Console;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
//!     .sqlite(directory.path().join("data"))
//!     .init()
//!     .shared_migrations(SHARED_MIGRATIONS)
//!     .tenant_migrations(TENANT_MIGRATIONS)
//!     .open()?;
//! let app: Router = Router::new().nest("/console", Console::new(tenancy).router());
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! # Who may use it
//!
//! Superusers, of the [accounts service](diesel_tenants::services::accounts), with their user name and password, which
//! they must change first if it was made up for them. Every request asks the shared database whether the session is still
//! good and the account still a superuser's.
//!
//! # What protects it
//!
//! | against | by |
//! |---|---|
//! | another site's form | a token in each form, tied to the session and compared in constant time; `Sec-Fetch-Site`; `SameSite=Strict` |
//! | a stolen cookie | `HttpOnly`, `Secure` and the `__Host-` prefix, unless [`Console::allow_http`] says otherwise |
//! | script in what tenants are called | escaping of everything; a content security policy without inline script or style |
//! | being framed | `frame-ancestors 'none'`, `X-Frame-Options` |
//! | pages in a cache | `Cache-Control: no-store` |
//! | a slip of the hand | changes are made by `POST` only; what destroys wants the tenant's id typed, and the library compares it |
//! | guessing, and hashing until nothing else runs | 30 failed log-ins of an address in 5 minutes, two hashes at once; the service must say who asks, by `into_make_service_with_connect_info` and, behind a proxy, [`TrustedProxies`](diesel_tenants_axum::TrustedProxies): where it does not, nothing is counted and the log says so once |
//! | the service's own work standing still | actions run on the blocking pool, at most [`Console::at_once`] at a time |
//!
//! # Actions
//!
//! An action is a *run*: it has a page with what became of it, which can be looked at while it goes on. Runs are kept in
//! memory, at most the newest 200 of them, and are gone when the process ends; what they did is in the catalogue. One that has
//! begun goes on to its end, whether or not anybody looks.
//!
//! Verifying, backing up and migrating are for many at once, too: for those that are ticked, or for all that match what
//! the list was asked for. Nothing that takes something away is. Such a run can be stopped. A migration of many is a
//! [run of the catalogue](diesel_tenants::fleet): it survives the process, is listed whoever began it, and is gone on with
//! after a crash.
//!
//! # The audit log
//!
//! Whatever is done here is entered into the [audit log](diesel_tenants::audit) in the name of the person who is logged in,
//! as `user:` and the id of the account, in the role `superuser`; so are logging in (`console.log-in`), logging out
//! (`console.log-out`), choosing a password (`console.new-password`), and looking at a tenant's page where that counts what
//! is in its database (`console.count`). The log has a page with filters and one that
//! verifies it.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod action;
mod assets;
mod audit;
mod chart;
mod console;
mod detail;
mod failure;
mod fleet;
mod given;
mod headers;
mod hosts;
mod list;
mod repair;
mod runs;
mod session;
mod subscription;
mod upkeep;
mod view;
mod work;

pub use console::Console;
pub use hosts::HostsError;
pub use subscription::{HospitalSubscriptions, Limit, Subscription, Subscriptions};
pub use work::Work;
