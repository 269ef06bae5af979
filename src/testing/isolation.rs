//! The isolation prover: writes a text that exists once into every table, and looks for it everywhere.
use std::collections::HashSet;
use std::error::Error as StdError;
use std::fmt;

use diesel::{QueryResult, SqliteConnection};
use uuid::Uuid;

use super::fleet::new_tenant;
use super::isolation_error::{IsolationError, Leak, Place};
use super::isolation_report::IsolationReport;
use super::scan::{contains, scan};
use crate::catalog::Status;
use crate::context::{SharedContext, TenantContext};
use crate::error::OpenError;
use crate::scope::ScopeKind;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// How many tenants a proof needs. Of two, one that is always taken for the other may look right half of the time.
const TENANTS: usize = 3;

type Insert<'a, X> = Box<dyn FnMut(&mut X, &str) -> QueryResult<()> + 'a>;
type Resolver<'a> = Box<
    dyn FnMut(&Tenancy, &TenantId) -> Result<TenantContext, Box<dyn StdError + Send + Sync>> + 'a,
>;

/// Proves that what is written for one tenant is in that tenant's database and nowhere else.
///
/// Every table of the routing table needs a *canary*, which is a closure that inserts one row with the text it is
/// given, or an exemption with a reason. [`run`](Self::run) has every canary written for every tenant, each time on
/// a context of its own, taking turns between the tenants. Then it searches every column of every table of the
/// shared database and of every active tenant's, the library's own tables included, and requires that each canary is
/// in the table and the database it was written for, and nowhere else.
///
/// Contexts for writing are opened as [`opened_by`](Self::opened_by) says, so that it is the application's way from
/// a request to a tenant that is proved. Searching goes through [`Tenancy::tenant`] always.
///
/// Run it on a [`TestFleet`](super::TestFleet) of its own: it searches every tenant there is, and leaves its tenants
/// and rows behind.
///
/// # Example
/// ```
/// use diesel_tenants::prelude::*;
/// use diesel_tenants::testing::{IsolationProver, TestFleet};
/// # mod schema {
/// #     diesel::table! { users { id -> Integer, name -> Text, } }
/// #     diesel::table! { patients { id -> Integer, name -> Text, } }
/// #     diesel::table! { beds { id -> Integer, number -> Integer, } }
/// # }
/// # use schema::{patients, users};
/// # routes! {
/// #     static ROUTES;
/// #     shared { accounts { schema::users } }
/// #     tenant { wards { schema::patients, schema::beds } }
/// # }
/// # const SHARED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL)";
/// # const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL);
/// #                       CREATE TABLE beds (id INTEGER PRIMARY KEY NOT NULL, number INTEGER NOT NULL)";
/// # let shared = MigrationSet::new([MigrationScript::new("1", "users", SHARED)]);
/// # let tenant = MigrationSet::new([MigrationScript::new("1", "wards", TENANT)]);
///
/// let fleet = TestFleet::open(&ROUTES, shared, tenant)?;
/// let report = IsolationProver::new(fleet.tenancy())
///     .tenant_canary("patients", |ctx, canary| {
///         diesel::insert_into(patients::table).values(patients::name.eq(canary)).execute(ctx)
///     })
///     .shared_canary("users", |ctx, canary| {
///         diesel::insert_into(users::table).values(users::name.eq(canary)).execute(ctx)
///     })
///     .exempt("beds", "numbers only")
///     .opened_by(|tenancy, id| tenancy.tenant(id)) // the application's resolver
///     .run()?;
/// assert_eq!(report.canaries, 4); // of three tenants and of the shared database
/// print!("{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is proved until `run` is called"]
pub struct IsolationProver<'a> {
    tenancy: &'a Tenancy,
    tenants: Option<Vec<TenantId>>,
    resolver: Resolver<'a>,
    tenant_canaries: Vec<(String, Insert<'a, TenantContext>)>,
    shared_canaries: Vec<(String, Insert<'a, SharedContext>)>,
    exemptions: Vec<(String, String)>,
    copies: Vec<Copied>,
}

/// A table of which another one holds copies, in the same database.
struct Copied {
    table: String,
    copy: String,
    reason: String,
}

/// A text that was written once.
struct Canary {
    text: String,
    table: &'static str,
    home: Place,
}

/// A canary that was found somewhere.
struct Found {
    canary: usize,
    place: Place,
    table: String,
    column: String,
}

impl<'a> IsolationProver<'a> {
    /// A prover for the application that `tenancy` was opened for, with neither canaries nor exemptions yet.
    pub fn new(tenancy: &'a Tenancy) -> Self {
        Self {
            tenancy,
            tenants: None,
            resolver: Box::new(|tenancy, id| Ok(tenancy.tenant(id)?)),
            tenant_canaries: Vec::new(),
            shared_canaries: Vec::new(),
            exemptions: Vec::new(),
            copies: Vec::new(),
        }
    }

    /// How to put a canary into a tenant table: `insert` adds a row that has the text in one of its columns.
    ///
    /// The text may stand inside a longer one, and in upper case. It is of lower-case letters, digits and hyphens,
    /// about 25 characters. Closures run in the order they were given, so a later one finds the rows of an earlier
    /// one in the same database.
    pub fn tenant_canary<T>(
        mut self,
        table: impl Into<String>,
        mut insert: impl FnMut(&mut TenantContext, &str) -> QueryResult<T> + 'a,
    ) -> Self {
        let insert: Insert<'a, _> = Box::new(move |ctx, canary| insert(ctx, canary).map(drop));
        self.tenant_canaries.push((table.into(), insert));
        self
    }

    /// How to put a canary into a shared table; otherwise as [`tenant_canary`](Self::tenant_canary).
    pub fn shared_canary<T>(
        mut self,
        table: impl Into<String>,
        mut insert: impl FnMut(&mut SharedContext, &str) -> QueryResult<T> + 'a,
    ) -> Self {
        let insert: Insert<'a, _> = Box::new(move |ctx, canary| insert(ctx, canary).map(drop));
        self.shared_canaries.push((table.into(), insert));
        self
    }

    /// A routed table that cannot hold a canary, and why. It is searched like every other.
    pub fn exempt(mut self, table: impl Into<String>, reason: impl Into<String>) -> Self {
        self.exemptions.push((table.into(), reason.into()));
        self
    }

    /// A table in which canaries of `table` may be found too, and why: a full-text index, the log a trigger keeps.
    ///
    /// In the same database only. `copy` is the name in the database, and need not be routed.
    pub fn copied_to(
        mut self,
        table: impl Into<String>,
        copy: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        self.copies.push(Copied {
            table: table.into(),
            copy: copy.into(),
            reason: reason.into(),
        });
        self
    }

    /// How the application opens a context on the tenant of this id. Default: [`Tenancy::tenant`].
    pub fn opened_by<E>(
        mut self,
        mut resolver: impl FnMut(&Tenancy, &TenantId) -> Result<TenantContext, E> + 'a,
    ) -> Self
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        self.resolver = Box::new(move |tenancy, id| resolver(tenancy, id).map_err(Into::into));
        self
    }

    /// The tenants to prove it with, at least three that are active.
    ///
    /// Default: three new ones, each at the subdomain that is its id. Give others where the resolver needs more of a
    /// tenant than that.
    pub fn tenants(mut self, ids: impl IntoIterator<Item = TenantId>) -> Self {
        self.tenants = Some(ids.into_iter().collect());
        self
    }

    /// Writes the canaries, searches all databases, and says what was found.
    ///
    /// Blocks for some milliseconds per tenant and table.
    ///
    /// # Errors
    /// See [`IsolationError`]. A leak is reported before anything else that went wrong while it was made.
    pub fn run(mut self) -> Result<IsolationReport, IsolationError> {
        self.check_coverage()?;
        let run = format!("{:08x}", Uuid::now_v7().as_u128() as u32);
        let tenants = self.tenants_of(&run)?;

        let mark = format!("canary-{run}-");
        let mut canaries = Vec::new();
        let written = self.write(&mark, &tenants, &mut canaries);
        let search = self.search(&mark, &canaries);
        // First of all: a row in the wrong place can be why an insert failed, its key was taken there.
        if let Ok(search) = &search {
            self.check_leaks(&canaries, &search.found)?;
        }
        written?;
        let search = search?;
        self.check_presence(&canaries, &search.found)?;
        Ok(self.report(tenants, &canaries, &search))
    }

    fn check_coverage(&self) -> Result<(), IsolationError> {
        let routes = self.tenancy.routes();
        let tenant = self
            .tenant_canaries
            .iter()
            .map(|c| (&c.0, ScopeKind::Tenant));
        let shared = self
            .shared_canaries
            .iter()
            .map(|c| (&c.0, ScopeKind::Shared));
        let mut covered = HashSet::new();
        for (table, scope) in tenant.chain(shared) {
            let Some(route) = routes.table(table) else {
                return Err(IsolationError::NotRouted {
                    table: table.clone(),
                });
            };
            let table = route.table();
            if route.scope() != scope {
                return Err(IsolationError::WrongScope {
                    table,
                    scope: route.scope(),
                });
            }
            if !covered.insert(table) {
                return Err(IsolationError::Repeated { table });
            }
        }
        let mut exempt = HashSet::new();
        for (table, reason) in &self.exemptions {
            let Some(route) = routes.table(table) else {
                return Err(IsolationError::StaleExemption {
                    table: table.clone(),
                });
            };
            let table = route.table();
            if covered.contains(table) {
                return Err(IsolationError::NeedlessExemption { table });
            }
            if !exempt.insert(table) {
                return Err(IsolationError::Repeated { table });
            }
            if reason.trim().is_empty() {
                return Err(IsolationError::NoReason {
                    table: table.to_owned(),
                });
            }
        }
        for copied in &self.copies {
            if copied.reason.trim().is_empty() {
                return Err(IsolationError::NoReason {
                    table: copied.table.clone(),
                });
            }
        }
        let mut tables: Vec<_> = routes.iter().map(|route| route.table()).collect();
        tables.retain(|table| !covered.contains(table) && !exempt.contains(table));
        if !tables.is_empty() {
            return Err(IsolationError::Uncovered { tables });
        }
        if self.tenant_canaries.is_empty() {
            return Err(IsolationError::NothingToProve);
        }
        Ok(())
    }

    /// The tenants that were given, or new ones.
    fn tenants_of(&mut self, run: &str) -> Result<Vec<TenantId>, IsolationError> {
        if let Some(given) = self.tenants.take() {
            let different: HashSet<_> = given.iter().collect();
            return match different.len() {
                0..TENANTS => Err(IsolationError::TooFewTenants {
                    given: different.len(),
                    least: TENANTS,
                }),
                _ => Ok(given),
            };
        }
        (1..=TENANTS)
            .map(|number| {
                let id = format!("prover-{run}-{number}");
                let id: TenantId = id
                    .parse()
                    .expect("a letter first, then letters, digits and `-`");
                let created = self.tenancy.create(&id, new_tenant(&id));
                created
                    .map(|_| id)
                    .map_err(|source| IsolationError::Create {
                        id,
                        source: Box::new(source),
                    })
            })
            .collect()
    }

    /// Writes every canary. Those it got to are in `canaries` also when it fails.
    fn write(
        &mut self,
        mark: &str,
        tenants: &[TenantId],
        canaries: &mut Vec<Canary>,
    ) -> Result<(), IsolationError> {
        let routes = self.tenancy.routes();
        let mut new = |table: &str, home| {
            let route = routes.table(table).expect("`check_coverage` found it");
            // What follows the number keeps one canary from being the beginning of another.
            let text = format!("{mark}{}-end", canaries.len() + 1);
            canaries.push(Canary {
                text: text.clone(),
                table: route.table(),
                home,
            });
            (route.table(), text)
        };
        for (table, insert) in &mut self.tenant_canaries {
            // In turns, each on a context of its own: a resolver that remembers whom it served last is found out.
            for id in tenants {
                let place = Place::Tenant(*id);
                let (table, text) = new(table, place);
                let opened = (self.resolver)(self.tenancy, id);
                let mut ctx = opened.map_err(|source| IsolationError::Open { place, source })?;
                insert(&mut ctx, &text).map_err(|source| IsolationError::Write {
                    table,
                    place,
                    source,
                })?;
            }
        }
        for (table, insert) in &mut self.shared_canaries {
            let place = Place::Shared;
            let (table, text) = new(table, place);
            let mut ctx = self.tenancy.shared().map_err(cannot_open(place))?;
            insert(&mut ctx, &text).map_err(|source| IsolationError::Write {
                table,
                place,
                source,
            })?;
        }
        Ok(())
    }

    /// Looks into the shared database and every active tenant's.
    fn search(&self, mark: &str, canaries: &[Canary]) -> Result<Search, IsolationError> {
        const REASON: &str = "every column of every table is searched for canaries";
        let mut search = Search::default();
        let mut shared = self.tenancy.shared().map_err(cannot_open(Place::Shared))?;
        let scanned = shared.unrouted(REASON, |raw| {
            search.scan(raw.connection(), Place::Shared, mark, canaries)
        });
        scanned.map_err(|source| IsolationError::Query {
            place: Place::Shared,
            source,
        })?;
        drop(shared);

        let all = self.tenancy.tenants().map_err(cannot_open(Place::Shared))?;
        for record in all.iter().filter(|record| record.status == Status::Active) {
            let place = Place::Tenant(record.id);
            let mut ctx = self
                .tenancy
                .tenant(&record.id)
                .map_err(cannot_open(place))?;
            let scanned = ctx.unrouted(REASON, |raw| {
                search.scan(raw.connection(), place, mark, canaries)
            });
            scanned.map_err(|source| IsolationError::Query { place, source })?;
        }
        Ok(search)
    }

    /// Whether a canary may be in this table of its own database.
    fn is_at_home(&self, canary: &Canary, table: &str) -> bool {
        let copied = |copied: &Copied| copied.table == canary.table && same(&copied.copy, table);
        same(canary.table, table) || self.copies.iter().any(copied)
    }

    fn check_leaks(&self, canaries: &[Canary], found: &[Found]) -> Result<(), IsolationError> {
        let mut leaks = Vec::new();
        for found in found {
            let canary = &canaries[found.canary];
            if canary.home != found.place || !self.is_at_home(canary, &found.table) {
                leaks.push(Leak {
                    canary: canary.text.clone(),
                    table: canary.table,
                    written_by: canary.home,
                    found_in: found.place,
                    found_table: found.table.clone(),
                    found_column: found.column.clone(),
                });
            }
        }
        leaks.sort_by_key(|leak| leak.written_by == leak.found_in);
        match leaks.is_empty() {
            true => Ok(()),
            false => Err(IsolationError::Leak { leaks }),
        }
    }

    /// A canary that was not found where it is would not be found elsewhere either.
    fn check_presence(&self, canaries: &[Canary], found: &[Found]) -> Result<(), IsolationError> {
        for (number, canary) in canaries.iter().enumerate() {
            let mut own = found.iter().filter(|found| found.canary == number);
            if !own.any(|own| same(&own.table, canary.table)) {
                return Err(IsolationError::NotWritten {
                    canary: canary.text.clone(),
                    table: canary.table,
                    place: canary.home,
                });
            }
        }
        let is_used = |copied: &&Copied| {
            let mut copies = found
                .iter()
                .filter(|found| same(&found.table, &copied.copy));
            copies.any(|found| canaries[found.canary].table == copied.table)
        };
        match self.copies.iter().find(|copied| !is_used(copied)) {
            None => Ok(()),
            Some(Copied { table, copy, .. }) => Err(IsolationError::StaleCopy {
                table: table.clone(),
                copy: copy.clone(),
            }),
        }
    }

    fn report(
        &self,
        tenants: Vec<TenantId>,
        canaries: &[Canary],
        search: &Search,
    ) -> IsolationReport {
        let routes = self.tenancy.routes();
        let mut tables: Vec<_> = routes.iter().map(|route| route.table()).collect();
        tables.retain(|table| canaries.iter().any(|canary| canary.table == *table));
        let exempt = self
            .exemptions
            .iter()
            .filter_map(|(table, reason)| Some((routes.table(table)?.table(), reason.clone())));
        IsolationReport {
            tenants,
            tables,
            exempt: exempt.collect(),
            canaries: canaries.len(),
            databases: search.databases,
            columns: search.columns,
            values: search.values,
        }
    }
}

impl fmt::Debug for IsolationProver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IsolationProver")
            .field("tenant_canaries", &self.tenant_canaries.len())
            .field("shared_canaries", &self.shared_canaries.len())
            .field("exemptions", &self.exemptions.len())
            .finish_non_exhaustive()
    }
}

/// What was found, and in how much.
#[derive(Default)]
struct Search {
    found: Vec<Found>,
    databases: usize,
    columns: usize,
    values: u64,
}

impl Search {
    fn scan(
        &mut self,
        conn: &mut SqliteConnection,
        place: Place,
        mark: &str,
        canaries: &[Canary],
    ) -> QueryResult<()> {
        let searched = scan(conn, mark, |table, column, bytes| {
            let here = canaries.iter().enumerate();
            let here = here.filter(|(_, canary)| contains(bytes, canary.text.as_bytes()));
            self.found.extend(here.map(|(canary, _)| Found {
                canary,
                place,
                table: table.to_owned(),
                column: column.to_owned(),
            }));
        })?;
        self.databases += 1;
        self.columns += searched.columns;
        self.values += searched.values;
        Ok(())
    }
}

/// Whether two names are one table's, as SQLite sees it.
fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

fn cannot_open(place: Place) -> impl FnOnce(OpenError) -> IsolationError {
    move |source| IsolationError::Open {
        place,
        source: Box::new(source),
    }
}
