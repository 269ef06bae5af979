//! A database for every tenant, a shared one for the rest, and a compiler that keeps queries where they belong.
//!
//! For services in which every customer (*tenant*) has a database of their own, and one shared database holds what
//! belongs to no single customer: users, sessions, subscriptions. It is used through [Diesel](diesel), on SQLite: one
//! file per tenant. A query on the wrong database does not compile, forgetting to say which tenant is meant is not
//! possible, and every operation on a tenant's database survives a `kill -9` at any point.
//!
//! Contents: [scopes and routes](#scopes-and-routes) · [what does not compile](#what-does-not-compile) ·
//! [opening](#opening) · [contexts](#contexts) · [transactions](#transactions) ·
//! [the doors](#the-doors-union-insert--select-raw-sql) · [errors](#errors) · [a tenant's life](#a-tenants-life) ·
//! [migrations](#migrations) · [running a fleet](#running-a-fleet) · [copies](#copies) ·
//! [all tenants at once](#all-tenants-at-once) · [work on two databases](#work-on-two-databases) ·
//! [who may, and who did](#who-may-and-who-did) · [several processes](#several-processes) ·
//! [pools and limits](#pools-and-limits) · [features](#features)
//!
//! ```
//! use diesel_tenants::prelude::*; // the only import: Diesel's prelude, with this crate's query methods in it
//!
//! diesel::table! { users { id -> Integer, name -> Text, } }
//! diesel::table! { patients { id -> Integer, name -> Text, } }
//!
//! routes! {
//!     /// Where every table of the application lives.
//!     static ROUTES;
//!     shared { accounts { users } }
//!     tenant { wards { patients } }
//! }
//!
//! const SHARED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
//! const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
//!
//! let directory = tempfile::tempdir()?;
//! let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
//!     .sqlite(directory.path().join("data"))
//!     .init() // makes the directory the first time; without it, opening never creates
//!     .shared_migrations(MigrationScript::new("1", "users", SHARED))
//!     .tenant_migrations(MigrationScript::new("1", "wards", TENANT))
//!     .open()?;
//!
//! let north = tenancy.create(&"north".parse()?, NewTenant::named("North Clinic"))?;
//! let south = tenancy.create(&"south".parse()?, NewTenant::named("South Clinic"))?;
//!
//! let mut ctx = north.enter()?; // a `TenantContext`: a guard on one connection to this tenant's database
//! diesel::insert_into(patients::table).values(patients::name.eq("Ada")).execute(&mut ctx)?;
//! assert_eq!(patients::table.select(patients::name).load::<String>(&mut ctx)?, ["Ada"]);
//!
//! let count = patients::table.count();
//! assert_eq!(count.get_result::<i64>(&mut south.enter()?)?, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Scopes and routes
//!
//! A table lives in one *scope*: [`Shared`] or [`Tenant`]. [`routes!`] lists Diesel's table modules under one of the
//! two, grouped by the part of the application they belong to, and makes a [`RoutingTable`] of them, which prints as a
//! table, serialises, and answers for models and names. A model may be named beside its table; that it belongs to it is
//! checked.
//!
//! ```
//! use diesel_tenants::prelude::*;
//!
//! mod schema {
//!     diesel::table! { users { id -> Integer, name -> Text, } }
//!     diesel::table! { patients { id -> Integer, name -> Text, } }
//!     diesel::table! { visits { id -> Integer, patient_id -> Integer, } }
//!     // Tables of one scope only: across the two it would not compile.
//!     diesel::allow_tables_to_appear_in_same_query!(patients, visits);
//! }
//! use schema::{patients, users, visits};
//!
//! #[derive(Queryable, Identifiable)]
//! struct Patient {
//!     id: i32,
//!     name: String,
//! }
//!
//! routes! {
//!     /// Where every table of the application lives.
//!     pub static ROUTES;
//!     shared { accounts { schema::users } }
//!     tenant { patients { schema::patients: Patient, schema::visits } }
//! }
//!
//! assert_eq!(ROUTES.len(), 3);
//! assert_eq!(ROUTES.of::<Patient>().map(|route| route.scope()), Some(ScopeKind::Tenant));
//! assert_eq!(ROUTES.table("users").map(|route| route.module()), Some("accounts"));
//! print!("{ROUTES}");
//! ```
//!
//! A *statement* has the scope of the tables in it: module [`scope`] says how. What does not compile in `routes!`
//! itself: a table listed twice or in both scopes, two tables of one name in SQL, a table with a schema, the model of
//! another table, and an `allow_tables_to_appear_in_same_query!` that spans the scopes. List all tables in one `routes!`.
//!
//! # What does not compile
//!
//! ```compile_fail,E0277
//! # use diesel_tenants::prelude::*;
//! # diesel::table! { users { id -> Integer, name -> Text, } }
//! # diesel::table! { patients { id -> Integer, name -> Text, } }
//! # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
//! fn everybody(th001: &mut TenantContext) -> QueryResult<Vec<(i32, String)>> {
//!     users::table.load(th001)
//! }
//! ```
//!
//! What rustc says of it, shortened:
//!
//! ```text
//! error[E0277]: `users::table` is not in a tenant database
//!    |     users::table.load(th001)
//!    |                  ---- ^^^^^ a `TenantContext` reaches tenant tables only
//!    = note: if the table is shared, run this on a `SharedContext`: `tenancy.shared()?`
//!    = note: if the statement needs tables of both scopes, make it two: no statement reaches two databases
//!    = note: if the table belongs to each tenant, list it under `tenant` in `routes!`
//! ```
//!
//! The same holds for a shared context and a tenant's table, and for joins, subqueries, set operations, inserts,
//! updates and deletes; for a context handed to a function that wants the other one; for Diesel's own `RunQueryDsl` on a
//! context; and for raw SQL without the [escape hatch](#the-doors-union-insert--select-raw-sql). What types cannot see,
//! such as a `dsl::sql` fragment, the database refuses: it has no table of the other scope, and the error says so
//! ([`WrongScope`]).
//!
//! # Opening
//!
//! [`Tenancy::builder`] takes the routing table, the place of the databases and the migrations of both scopes.
//! [`open`](Builder::open) checks the data directory, migrates the shared database, reads the catalogue of tenants, and
//! finishes or undoes what processes that died have left half done. The result is cheap to clone, `Send` and `Sync`, and
//! has no thread of its own, but for one that [`AuditPolicy::All`](audit::AuditPolicy::All) asks for. One per process is
//! enough.
//!
//! The data directory must be on a local disk, belong to the user, and have mode 0700. Opening never creates it unless
//! [`init`](Builder::init) was called: a disk that is not mounted is an error, not a new and empty fleet. All settings
//! are methods of [`Builder`].
//!
//! # Contexts
//!
//! A [`TenantContext`] or [`SharedContext`] is a guard that owns one connection, owned and `Send`. There is no ambient
//! tenant: pass the context as an argument. Two or more may be open at once.
//!
//! - [`Tenancy::tenant`] looks a tenant up and opens a context on it; [`Tenancy::shared`] opens one on the shared
//!   database. Both wait up to the checkout timeout for a connection.
//! - [`Tenancy::handle`] does the lookup once; [`TenantHandle::enter`] is the fast way in. With a warm connection it
//!   takes no global lock and allocates nothing.
//!
//! [`RunQueryDsl`] has Diesel's query methods (`load`, `load_iter`, `first`, `get_result`, `get_results`, `execute`) for
//! contexts, with the same turbofish and the same [`QueryResult`](diesel::QueryResult); [`SaveChangesDsl`] has
//! `save_changes`. Everything before them is Diesel: filters, joins, aliases, grouping, `belonging_to`, upserts,
//! `returning`. A context is no `diesel::Connection` and never derefs to one.
//!
//! ```
//! # use diesel_tenants::prelude::*;
//! # diesel::table! { users { id -> Integer, name -> Text, } }
//! # diesel::table! { patients { id -> Integer, name -> Text, registered_by -> Integer, } }
//! # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
//! /// A patient of one tenant and the shared user who registered them: two databases, two queries.
//! fn patient(
//!     ctx: &mut TenantContext,
//!     shared: &mut SharedContext,
//!     id: i32,
//! ) -> QueryResult<(String, Option<String>)> {
//!     let columns = (patients::name, patients::registered_by);
//!     let (name, user) = patients::table.find(id).select(columns).first::<(String, i32)>(ctx)?;
//!     let user = users::table.find(user).select(users::name).first::<String>(shared).optional()?;
//!     Ok((name, user))
//! }
//! ```
//!
//! A tenant's row points to a shared row by value, never by a foreign key: the row is in another database, and SQLite
//! would refuse every insert. A schema with such a `REFERENCES` is refused before a tenant is made from it.
//! [`id::SharedRef`] is a typed column for it. For your own generic helpers there is [`LoadRouted`].
//!
//! `use diesel_tenants::prelude::*` is enough. Beside `use diesel::prelude::*` add `use diesel_tenants::RunQueryDsl;`,
//! which decides between the two traits of that name.
//!
//! # Transactions
//!
//! `ctx.transaction(|ctx| …)` hands the context itself to the closure, so the rules hold inside it. On SQLite it is
//! `BEGIN IMMEDIATE`: it waits for the write lock at the beginning, up to the busy timeout (default 5 s), and cannot fail
//! for a lock later. Inside another one it is a savepoint. `ctx.read_transaction(|ctx| …)` reads one snapshot, taken by
//! its first query, and cannot write.
//!
//! ```
//! # use diesel_tenants::prelude::*;
//! # diesel::table! { users { id -> Integer, } }
//! # diesel::table! { patients { id -> Integer, name -> Text, } }
//! # diesel::table! { visits { id -> Integer, patient_id -> Integer, reason -> Text, } }
//! # diesel::allow_tables_to_appear_in_same_query!(patients, visits);
//! # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients, visits } } }
//! fn admit(ctx: &mut TenantContext, name: &str, reason: &str) -> QueryResult<i32> {
//!     ctx.transaction(|ctx| {
//!         let insert = diesel::insert_into(patients::table).values(patients::name.eq(name));
//!         let id: i32 = insert.returning(patients::id).get_result(ctx)?;
//!         diesel::insert_into(visits::table)
//!             .values((visits::patient_id.eq(id), visits::reason.eq(reason)))
//!             .execute(ctx)?;
//!         Ok(id)
//!     })
//! }
//! #
//! # const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);
//! #     CREATE TABLE visits (id INTEGER PRIMARY KEY NOT NULL, patient_id INTEGER NOT NULL, reason TEXT NOT NULL CHECK (reason <> ''));";
//! # let directory = tempfile::tempdir()?;
//! # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.path().join("data")).init()
//! #     .tenant_migrations(MigrationScript::new("1", "wards", TENANT)).open()?;
//! # let north = tenancy.create(&"north".parse()?, NewTenant::named("North Clinic"))?;
//! # let mut ctx = north.enter()?;
//! admit(&mut ctx, "Ada", "checkup")?;
//! assert!(admit(&mut ctx, "Ben", "").is_err()); // the table wants a reason
//! assert_eq!(patients::table.select(patients::name).load::<String>(&mut ctx)?, ["Ada"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A panic inside rolls back, and leaves the context unusable even if it is caught; so does an error at which the
//! database ends the transaction, such as a full disk. Nothing after it can be acknowledged by mistake. There is no transaction over two
//! databases; each commits by itself (but see [work on two databases](#work-on-two-databases)).
//!
//! # The doors: UNION, INSERT … SELECT, raw SQL
//!
//! Diesel hides the parts of a `UNION` and of `INSERT … SELECT` in types that cannot be named, so their scope cannot be
//! seen. [`doors`] has functions for both that check the parts before they are joined: [`doors::union`],
//! [`doors::insert_select`] and their siblings.
//!
//! Everything else, raw SQL included, goes through one escape hatch that is easy to find in a review:
//!
//! ```
//! # use diesel_tenants::prelude::*;
//! fn analyze(ctx: &mut TenantContext) -> QueryResult<()> {
//!     ctx.unrouted("ANALYZE has no Diesel form", |raw| {
//!         diesel::sql_query("ANALYZE").execute(raw).map(drop)
//!     })
//! }
//! ```
//!
//! What the closure may leave behind (an open transaction, an attached database, a changed setting) cannot be known, so
//! that connection is closed with its context and never handed out again.
//!
//! # Errors
//!
//! Query methods return Diesel's `QueryResult`, so `?`, `.optional()`, `NotFound` and `UniqueViolation` work as ever. The
//! library's own errors travel inside and are read with their `of`:
//!
//! | error in a query | when | what to do |
//! |---|---|---|
//! | [`WrongScope`] | the database saw a table of the other scope | use the other context; a bug |
//! | [`MissingTable`](error::MissingTable) | a table of this scope is not there | the schema has drifted; migrate or repair |
//! | [`TenantFenced`](error::TenantFenced) | a write, while the tenant gets a new database or is purged | leave the closure, open a new context, try again |
//! | [`StaleGeneration`](error::StaleGeneration) | the tenant has a new database since the context was opened | the same |
//! | [`ContextPoisoned`](error::ContextPoisoned) | after a panic, an error that ended the transaction, leaked rows, or a context or connection put in the place of another | leave the closure, open a new context; its `cause` says whether it is a bug |
//! | [`ReadOnlyTransaction`](error::ReadOnlyTransaction) | a write, or `transaction`, inside `read_transaction` | make the outer one `transaction` |
//!
//! ```
//! # use diesel_tenants::{error::{StaleGeneration, TenantFenced}, prelude::*};
//! /// Whether the same work on a new context may succeed.
//! fn moved(error: &diesel::result::Error) -> bool {
//!     TenantFenced::of(error).is_some() || StaleGeneration::of(error).is_some()
//! }
//! ```
//!
//! Each operation has an enum of its own: [`SetupError`] for opening the library, [`OpenError`] for contexts,
//! [`CreateError`], [`LifecycleError`]; all convert into [`Error`]. `is_retryable()` says whether the same call may
//! succeed a little later. Messages hold no bind values, no row data and no SQL of migrations; `Debug` of a context says
//! which database it is on.
//!
//! # A tenant's life
//!
//! ```text
//! reserved ⇄ provisioning → active ⇄ suspended ⇄ archived → deleting → deleted
//!                  ↓          ↑ ↓
//!               failed     restoring
//! ```
//!
//! [`Tenancy::reserve`] registers a tenant without a database, [`Tenancy::create`] makes it with one. An archived tenant that is
//! [deleted](Tenancy::delete) has a date from which on it may be [purged](Tenancy::purge); only that removes its files.
//!
//! A tenant is named by a [`TenantId`] such as `TH001`: an ASCII letter, then letters, digits, `-` or `_`, 2 to 32
//! characters, equal without regard to case and `-` or `_`. On disk and in the catalogue it is named by a uuid that is
//! never used again.
//!
//! ```
//! use diesel_tenants::{Retention, prelude::*};
//! # diesel::table! { users { id -> Integer, } }
//! # diesel::table! { patients { id -> Integer, } }
//! # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
//! # let directory = tempfile::tempdir()?;
//! # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.path().join("data")).init().open()?;
//! let id: TenantId = "DMC001".parse()?;
//! let new = || NewTenant::named("Downtown Medical Center").subdomain("dmc").plan("premium");
//! let dmc = tenancy.create(&id, new())?; // all or nothing
//! tenancy.ensure(&id, new())?; // it is there: nothing to do
//! assert_eq!(tenancy.handle_at(&"dmc".parse()?)?.id(), id);
//!
//! tenancy.suspend(&id)?; // no new contexts; data untouched
//! assert!(dmc.enter().is_err());
//! tenancy.resume(&id)?;
//! let compacted = tenancy.compact(&id)?; // a new database file without free pages: the next generation
//! assert_eq!(compacted.generation, 2);
//!
//! tenancy.suspend(&id)?;
//! tenancy.archive(&id)?; // only an archived tenant can be deleted
//! tenancy.delete(&id, "DMC001", Retention::NONE)?; // its id, typed as confirmation; kept until the retention is over
//! tenancy.purge(&id, "DMC001")?; // every file of it is removed; there is no way back
//! assert!(tenancy.create(&id, new()).is_err()); // a deleted tenant's id is not taken by accident …
//! tenancy.create(&id, new().reuse_retired_id())?; // … only on purpose, for a new and empty tenant
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each operation is journaled in the shared database. One whose process died is undone, or finished if it had reached
//! its commit point, by whoever opens the library next, calls [`Tenancy::recover`], or wants to do something to the same
//! tenant.
//!
//! # Migrations
//!
//! Both sets are given to the builder: [`MigrationScript`]s, a [`MigrationSet`], or what `embed_migrations!` made.
//! `open` migrates the shared database. New tenants are cloned from a *template* that is rebuilt when the set changes;
//! existing ones are migrated by [`Tenancy::migrate_tenant`], or when they are opened, by
//! [`SchemaPolicy::MigrateOnOpen`]. Until then a tenant that is behind is refused, and a schema newer than the program is
//! refused always. Scripts run in a transaction each, together with their row in the ledger, under a lock that holds
//! across processes; an edited, missing or late-coming script is refused. See [`migrate`].
//!
//! # Running a fleet
//!
//! [`Tenancy::migrate_fleet`] brings every tenant to the newest migration as one durable run: one tenant first, then one in
//! a hundred, then the rest, on several threads and in any number of processes, past tenants that fail and up to a stop
//! rule. Killed, it is gone on with by the next call. [`Tenancy::plan_fleet`] is the dry run; see [`fleet`].
//!
//! [`Tenancy::verify`] compares a database with what its migrations make and names what differs: see [`verify`].
//! [`Tenancy::plan_repair`] says in words and SQL how that would be put right, and [`Tenancy::repair`] carries the plan out,
//! after a backup and in one transaction: see [`repair`].
//!
//! ```
//! use diesel_tenants::fleet::MigrateFleet;
//! use diesel_tenants::repair::RepairOptions;
//! use diesel_tenants::{Error, prelude::*, verify::VerifyOptions};
//!
//! fn every_week(tenancy: &Tenancy) -> Result<(), Error> {
//!     let run = tenancy.migrate_fleet(&MigrateFleet::default(), |_progress| {})?;
//!     for failed in run.failures() {
//!         println!("{}: {}", failed.id, failed.error.as_ref().map_or("", |error| &error.message));
//!     }
//!     for tenant in tenancy.tenants()? {
//!         let found = tenancy.verify(&tenant.id, &VerifyOptions::default())?;
//!         if !found.is_ready() {
//!             println!("{found}");
//!             println!("{}", tenancy.plan_repair(&tenant.id, &RepairOptions::default())?);
//!         }
//!     }
//!     Ok(())
//! }
//! # diesel::table! { users { id -> Integer, } }
//! # diesel::table! { patients { id -> Integer, } }
//! # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
//! # let directory = tempfile::tempdir()?;
//! # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.path().join("data")).init().open()?;
//! # tenancy.create(&"north".parse()?, NewTenant::named("North Clinic"))?;
//! # every_week(&tenancy)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Copies
//!
//! [`Tenancy::backup`] copies a database while others write to it; the copy counts once it was closed, looked into, hashed
//! and described by a manifest. [`Tenancy::restore`] makes a backup the tenant's next generation, behind the fence, and
//! [`Tenancy::undo`] brings the one before back. [`Tenancy::backup_all`] makes a set, [`Tenancy::prune_backups`] keeps so
//! many a day, a week and a month, [`Tenancy::drill`] shows that a backup can be restored, and
//! [`Tenancy::clone_from_backup`] makes another tenant of it. For the shared database there is
//! [`Builder::restore_shared`]. A tenant leaves by [`Tenancy::export`] and comes by [`Tenancy::import`], or by
//! [`Tenancy::adopt`] out of another program's SQLite file: see [`export`], [`import`], [`adopt`].
//!
//! ```
//! use diesel_tenants::{BackupOptions, Error, RestoreOptions, prelude::*};
//!
//! fn there_and_back(tenancy: &Tenancy, id: &TenantId) -> Result<(), Error> {
//!     let backup = tenancy.backup(id, &BackupOptions::new())?;
//!     let confirmed = RestoreOptions::confirmed(id.as_str()); // the id, typed by whoever decides
//!     tenancy.restore(id, &(&backup).into(), &confirmed)?;
//!     tenancy.undo(id, id.as_str())?;
//!     Ok(())
//! }
//! # diesel::table! { users { id -> Integer, } }
//! # diesel::table! { patients { id -> Integer, } }
//! # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
//! # let directory = tempfile::tempdir()?;
//! # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.path().join("data")).init().open()?;
//! # let north = tenancy.create(&"north".parse()?, NewTenant::named("North Clinic"))?;
//! # there_and_back(&tenancy, &north.id())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # All tenants at once
//!
//! [`Tenancy::for_each_tenant`] and [`Tenancy::aggregate`] ask every tenant the same question, on a few threads and within
//! the budget of connections. They hand out a [`ReadContext`], on which a statement that writes does not compile.
//! [`Tenancy::push_reference`] brings a versioned list, such as a drug catalogue, to every tenant, once.
//!
//! # Work on two databases
//!
//! No transaction spans two databases. A [`workflow`] is a function whose effects are steps, each in a transaction of its
//! own database; the library writes down which are done, and after a crash finishes the run or undoes it. The same key
//! gives the same result, however often it is asked for.
//!
//! # Who may, and who did
//!
//! [`Tenancy::tenant_as`] opens a context for a [`Principal`](access::Principal) who is a member, or who has broken the
//! glass, with a reason and for a time: see [`access`]. Each change of the catalogue leaves an entry in an append-only,
//! hash-chained log, in the same transaction: see [`audit`]. [`observe`] has what can be watched.
//!
//! # Several processes
//!
//! Any number of processes may open one data directory on one machine. What a process knows of the catalogue is at most
//! the *freshness bound* old (default 1 s): that long after one process has suspended a tenant, another may still open
//! contexts on it. [`Tenancy::compact`], [`Tenancy::purge`] and whatever else makes a new generation do not rely on that: they
//! raise a fence *in the tenant's database*, so that the next write of any process fails with
//! [`TenantFenced`](error::TenantFenced) instead of going into a file that has been copied already. [`Tenancy::delete`] sets a
//! date in the catalogue, and touches no file.
//!
//! # Pools and limits
//!
//! All databases share one budget of connections. A connection is opened on the thread that asks for it, and there are no
//! threads in the background. [`Tenancy::stats`] has the numbers.
//!
//! | limit | default | set with |
//! |---|---|---|
//! | connections open, all databases together | (soft limit of open files − a quarter of it, at least 64) ÷ 3, at most 10,000 | [`PoolConfig::with_max_connections`] |
//! | connections per tenant | 4 | [`PoolConfig::with_max_per_database`] |
//! | connections of the shared database | 16, or as many as per tenant if that is more | the same |
//! | wait for a connection | 5 s | [`PoolConfig::with_checkout_timeout`] |
//! | idle time after which a connection may be closed | 60 s | [`PoolConfig::with_idle_timeout`] |
//! | when the budget is full | close the least recently used idle connection | [`PoolConfig::with_overflow`] |
//! | wait for another writer on the same database | 5 s | [`Builder::busy_timeout`] |
//! | age of what is known of the catalogue | 1 s | [`Builder::freshness`] |
//! | wait for open contexts and running statements before `compact`, `purge` and the like, and of `ensure` for another creator | 10 s | [`Builder::drain_timeout`] |
//! | a tenant id | 2 to 32 characters | |
//! | a display name | 1 to 200 characters | |
//! | the path of the data directory | 416 bytes | |
//!
//! The budget is that of contexts. Outside of it, each open library has two connections to the catalogue for good; and each
//! operation opens what it needs for as long as it runs: creating, compacting, backing up, restoring, exporting, importing
//! and adopting one or two at a time, a migration one for each tenant that is being migrated (one per worker of a fleet
//! migration), a look through a tenant or a recovery one. On SQLite a connection is up to three descriptors. Idle connections
//! are looked for when contexts are opened, about twice per freshness bound and a few each time; a service that can be idle
//! for long calls [`Tenancy::reap_idle`] from a timer.
//!
//! # Async
//!
//! Everything here blocks: opening a context waits for a connection, and a statement for the disk. In an async program, run
//! the whole piece of work on a thread that may block, and take the context there: what is sent is the [`TenantHandle`],
//! which is cheap to clone, or the [`Tenancy`].
//!
//! ```
//! use diesel_tenants::{Error, prelude::*};
//! # diesel::table! { users { id -> Integer, name -> Text, } }
//! # diesel::table! { patients { id -> Integer, name -> Text, } }
//! # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
//!
//! async fn admitted(tenant: TenantHandle) -> Result<i64, Error> {
//!     let counted = tokio::task::spawn_blocking(move || {
//!         let mut ctx = tenant.enter()?;
//!         Ok(patients::table.count().get_result(&mut ctx)?)
//!     });
//!     counted.await.expect("the work does not panic")
//! }
//! # let dir = tempfile::tempdir()?;
//! # let set = MigrationScript::new("1", "wards", "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL)");
//! # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES)
//! #     .sqlite(dir.path().join("data")).init().tenant_migrations(set).open()?;
//! # let north = tenancy.create(&"north".parse()?, NewTenant::named("North Clinic"))?;
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # assert_eq!(runtime.block_on(admitted(north))?, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Work on the blocking pool is not cancelled when its caller goes away, and the pool is large: bound how much runs at once
//! by what the database can do, not by what the runtime has threads for. The crate `diesel-tenants-axum` does all of this:
//! `tenant.run(|ctx| …).await` takes the context on the blocking pool, behind a limit, with the request's span.
//!
//! A context is `Send`, so the compiler does not mind one that is kept across an `.await`. There it keeps its connection, and
//! its write lock if a transaction is open, for as long as somebody else likes. Clippy finds that, with this in `clippy.toml`:
//!
//! ```toml
//! await-holding-invalid-types = [
//!     { path = "diesel_tenants::TenantContext", reason = "it holds a connection; take it in `spawn_blocking`" },
//!     { path = "diesel_tenants::SharedContext", reason = "it holds a connection; take it in `spawn_blocking`" },
//! ]
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds | cost |
//! |---|---|---|---|
//! | `sqlite` | yes | the SQLite backend | compiles SQLite from source: a C compiler |
//! | `hospital` | no | the data model of a hospital: tables, rows, routes, migrations (`models`) | `chrono`; 73 tables to compile |
//! | `testing` | no | a test kit: temporary fleets, canary rows, an isolation prover (`testing`) | `tempfile` |
//! | `tracing` | no | spans and events: queries, connections, operations ([`observe`]) | a clock read twice per query |
//! | `metrics` | no | counters and histograms for the `metrics` facade | the same |
//! | `query-stats` | no | query statistics of each tenant, in memory | the same |
//! | `failpoints` | no | named crash points for fault injection; for tests only | a check at each step of an operation |
//!
//! Features only add. Without `sqlite` there is no backend, which does not compile. SQLite needs Unix.
//!
//! The repository has `docs/design.md`, with the reasons, and `docs/threat-model.md`, with what is defended against and
//! what is not.
#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(feature = "sqlite"))]
compile_error!("diesel-tenants needs a backend: enable the `sqlite` feature (it is a default one)");

pub mod access;
pub mod adopt;
pub mod audit;
pub mod backend;
mod backup;
mod base_domains;
mod batch;
mod catalog;
mod clock;
mod context;
mod database;
mod deadline;
mod display_name;
pub mod doors;
pub mod error;
mod excerpt;
pub mod export;
mod failpoint;
mod fanout;
pub mod fleet;
mod hooks;
pub mod id;
pub mod import;
mod inventory;
mod lifecycle;
pub mod migrate;
#[cfg(feature = "hospital")]
pub mod models;
pub mod money;
pub mod observe;
pub mod pool;
mod provision;
mod reference;
mod registry;
pub mod repair;
mod restore;
mod router;
pub mod scope;
#[cfg(feature = "hospital")]
pub mod services;
mod subdomain;
mod tenancy;
mod tenant_id;
#[cfg(feature = "testing")]
pub mod testing;
mod value;
pub mod verify;
pub mod workflow;

pub use backup::{
    BackupError, BackupFilter, BackupOptions, BackupProgress, BackupReason, BackupRecord,
    BackupRef, BackupSet, BackupSetOptions, Backups, ListedBackup, ListedSet, PruneReport,
    RetentionPolicy, Spared,
};
pub use base_domains::{BaseDomainError, BaseDomains, HostError, HostFault, host_name};
pub use catalog::health::{HealthRecord, RecordedFinding};
pub use catalog::{
    BackupsOnPurge, Certificate, OldGeneration, OperationKind, PurgedGeneration, Retention, Status,
    TenantRecord,
};
pub use context::{
    Context, LoadRouted, ReadContext, RowIter, RunQueryDsl, SaveChangesDsl, SharedContext,
    Statement, TenantContext, Unrouted, WriteContext,
};
pub use display_name::{CsvSafe, DisplayName, DisplayNameError};
pub use error::{
    AccessError, AuditError, CreateError, Error, LifecycleError, OpenError, PurgeError, QuotaError,
    RecreateError, RenameError, RetentionError, SetupError, WorkflowError, WrongScope,
};
pub use fanout::{Aggregate, FanOut, FanOutReport, TenantResult, VisitOutcome};
pub use fleet::{FleetError, FleetReport, MigrateFleet};
pub use inventory::Unfinished;
pub use lifecycle::{
    Compacted, Leftover, PurgeOptions, PurgeReport, RecreateOptions, Recreated, Rename, Undead,
    Usage,
};
pub use migrate::{MigrationScript, MigrationSet};
pub use pool::{Overflow, PoolConfig, PoolStats};
pub use provision::NewTenant;
pub use reference::{
    PushOutcome, PushProgress, ReferenceList, ReferenceReport, ReferenceStatus, Standing,
    TenantPush, TenantStanding,
};
pub use registry::{ClockJump, TenantHandle};
pub use restore::{
    BackupOwner, CloneOptions, Discarded, DrillOptions, DrillReport, Drilled, RestoreError,
    RestoreOptions, Restored, SharedRestored, Undone,
};
pub use router::{RouteEntry, RoutingTable};
pub use scope::{Admits, Reads, Route, ScopeKind, Shared, Tenant};
pub use subdomain::{Subdomain, SubdomainError};
pub use tenancy::{Builder, SchemaPolicy, Sqlite, Tenancy};
pub use tenant_id::{FoldedTenantId, TenantId, TenantIdError};

#[doc(hidden)]
pub use router::private as __private;

/// The only import an application needs: Diesel's prelude with this crate's query methods, the contexts and
/// [`routes!`].
pub mod prelude {
    pub use crate::{
        Context, DisplayName, MigrationScript, MigrationSet, NewTenant, ReadContext, RunQueryDsl,
        SaveChangesDsl, ScopeKind, Shared, SharedContext, Status, Subdomain, Tenancy, Tenant,
        TenantContext, TenantHandle, TenantId, WrongScope, routes,
    };
    pub use diesel::prelude::*;
}

/// The examples of the README, which are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExamples;
