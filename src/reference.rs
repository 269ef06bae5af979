//! Reference data: lists that are the same for all tenants, such as a drug catalogue, brought to each tenant's database.
//!
//! A list has a name, versions that count upwards, and for each version one content. A tenant's own database says which
//! version it has, in a row that is written in the same transaction as the list's rows: so it has all of them or none,
//! whatever happens, and a version is brought to it once, whoever tries. The catalogue remembers what was seen there, for
//! the generation it was seen in, so that a push with nothing to do opens no tenant; it is never believed over the tenant.
//!
//! | step of a push | killed after it, the next push |
//! |---|---|
//! | `reference.announced`: the version is in the catalogue | begins anew |
//! | per tenant `reference.entered` · `reference.applied` · `reference.recorded`: in its transaction | finds it as it was |
//! | per tenant **`reference.committed`** | finds the version there, and takes it down |
//! | `reference.noted`: what was seen is in the catalogue, some tenants at a time | opens none of them |
//!
//! No journal is needed, as nothing has to be undone or finished: a tenant has been brought up to date or it has not, and
//! the next push goes on with those that have not.
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime};

use diesel::result::QueryResult;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::audit::AuditNote;
use crate::backend::{Backend, DefaultConnection};
use crate::catalog::reference::{Announced, Sighting};
use crate::catalog::{Status, TenantRecord, from_millis, to_millis};
use crate::context::TenantContext;
use crate::error::CatalogError;
use crate::excerpt::Excerpt;
use crate::failpoint::hit;
use crate::fanout::{FanOut, discard, enter, run};
use crate::registry::Registry;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

mod error;
pub(crate) mod ledger;
mod report;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use error::{PushError, ReferenceError, ReferenceListError};
use ledger::LedgerEntry;
pub use report::{
    PushOutcome, PushProgress, ReferenceReport, ReferenceStatus, Standing, TenantPush,
    TenantStanding,
};

/// The longest name of a list.
const MAX_NAME: usize = 64;

/// How many tenants are taken down in the catalogue at a time: each time costs a sync of the shared database.
const NOTED_AT_A_TIME: usize = 64;

/// A list that every tenant is to have: its version, and how it is brought to one tenant.
///
/// Made by [`ReferenceList::new`], pushed by [`Tenancy::push_reference`].
pub struct ReferenceList<'a, C: Backend = DefaultConnection> {
    name: String,
    version: u64,
    digest: [u8; 32],
    apply: Box<Apply<'a, C>>,
}

type Apply<'a, C> = dyn Fn(&mut TenantContext<C>) -> QueryResult<usize> + Send + Sync + 'a;

impl<'a, C: Backend> ReferenceList<'a, C> {
    /// The list `name` at `version`, with this `content`, brought to a tenant by `apply`.
    ///
    /// - `name`: 1 to 64 of `a`–`z`, `0`–`9`, `_` and `-`, beginning with a letter.
    /// - `version`: counts from 1. Each change of the content takes a higher one.
    /// - `content`: what the version consists of, such as the file it is read from. Only its SHA-256 is kept, so that a change
    ///   under the same version is refused instead of reaching some tenants and not others.
    /// - `apply`: ordinary Diesel on the tenant's tables, and returns how many rows it wrote. It runs in a transaction, together
    ///   with the row that says which version the tenant has, and must make of *any* earlier version this one: upserts
    ///   (`on_conflict(…).do_update()`) rather than inserts. It runs on several threads at once, on a tenant each.
    ///
    /// # Errors
    /// The name or the version is not one.
    ///
    /// # Example
    /// ```
    /// # use diesel_tenants::prelude::*;
    /// # mod schema { diesel::table! { drugs (code) { code -> Text, name -> Text, } } }
    /// # use schema::drugs;
    /// # routes! { static ROUTES; shared {} tenant { pharmacy { schema::drugs } } }
    /// # const TENANT: &str = "CREATE TABLE drugs (code TEXT PRIMARY KEY NOT NULL, name TEXT NOT NULL);";
    /// # let directory = tempfile::tempdir()?;
    /// # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.path().join("data")).init()
    /// #     .tenant_migrations(MigrationScript::new("1", "pharmacy", TENANT)).open()?;
    /// # for id in ["north", "south"] { tenancy.create(&id.parse()?, NewTenant::named(id))?; }
    /// use diesel::upsert::excluded;
    /// use diesel_tenants::{FanOut, ReferenceList};
    ///
    /// const DRUGS: &str = "A02BC01 omeprazole\nN02BE01 paracetamol\n"; // include_str!("drugs.txt")
    ///
    /// let drugs = ReferenceList::new("drug_catalogue", 1, DRUGS, |ctx| {
    ///     let rows = DRUGS.lines().filter_map(|line| line.split_once(' '));
    ///     let rows: Vec<_> = rows.map(|(code, name)| (drugs::code.eq(code), drugs::name.eq(name))).collect();
    ///     diesel::insert_into(drugs::table)
    ///         .values(rows)
    ///         .on_conflict(drugs::code)
    ///         .do_update()
    ///         .set(drugs::name.eq(excluded(drugs::name)))
    ///         .execute(ctx)
    /// })?;
    /// let report = tenancy.push_reference(&drugs, FanOut::new(), |_progress| {})?;
    /// assert_eq!((report.applied().count(), report.is_complete()), (2, true));
    /// let again = tenancy.push_reference(&drugs, FanOut::new(), |_progress| {})?; // opens no tenant
    /// assert_eq!((again.applied().count(), again.is_complete()), (0, true));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        name: &str,
        version: u64,
        content: impl AsRef<[u8]>,
        apply: impl Fn(&mut TenantContext<C>) -> QueryResult<usize> + Send + Sync + 'a,
    ) -> Result<Self, ReferenceListError> {
        let is_valid = name.len() <= MAX_NAME
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'));
        if !is_valid {
            return Err(ReferenceListError::Name {
                name: Excerpt::of(name),
            });
        }
        // The databases have signed numbers.
        if version == 0 || i64::try_from(version).is_err() {
            return Err(ReferenceListError::Version { version });
        }
        Ok(Self {
            name: name.to_owned(),
            version,
            digest: Sha256::digest(content.as_ref()).into(),
            apply: Box::new(apply),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Brings it to the tenant whose transaction is open, unless it is there.
    fn bring_to(&self, ctx: &mut TenantContext<C>) -> QueryResult<Brought> {
        let found = ctx.on_own_tables(|conn| conn.read_reference(&self.name))?;
        let from = match found {
            Some(found) if found.version >= self.version => return Ok(Brought::Found(found)),
            found => found.map(|older| older.version),
        };
        let rows = (self.apply)(ctx)?;
        hit("reference.applied");
        let entry = LedgerEntry {
            version: self.version,
            digest: self.digest.to_vec(),
            applied_at: to_millis(SystemTime::now()),
        };
        ctx.on_own_tables(|conn| conn.write_reference(&self.name, &entry))?;
        hit("reference.recorded");
        Ok(Brought::Now { rows, from, entry })
    }
}

impl<C: Backend> fmt::Debug for ReferenceList<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReferenceList")
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

enum Brought {
    Now {
        rows: usize,
        from: Option<u64>,
        entry: LedgerEntry,
    },
    Found(LedgerEntry),
}

impl<C: Backend> Tenancy<C> {
    /// Brings a list to every selected tenant that does not have this version yet, several tenants at a time.
    ///
    /// On each of them the list's closure and the note of the version are one transaction. A tenant that has the version, or a
    /// newer one, is skipped; one that the catalogue knows to have it is not even opened. One that is not active is left alone
    /// and reported, and so is one that fails; the others get the list all the same. Safe to repeat, to run in several
    /// processes at once, and to kill at any point: the next push goes on with the rest. A tenant that is created later is
    /// behind until then; `FanOut::new().only([id])` brings it up to date right after
    /// [`create`](Self::create).
    ///
    /// `progress` is called on the calling thread after each tenant. Blocks until all are done, or the deadline of `over` has
    /// passed.
    ///
    /// # Errors
    /// See [`ReferenceError`]; nothing was pushed then.
    pub fn push_reference(
        &self,
        list: &ReferenceList<'_, C>,
        over: FanOut<'_>,
        mut progress: impl FnMut(PushProgress<'_>),
    ) -> Result<ReferenceReport, ReferenceError> {
        let registry = &self.registry;
        let started = Instant::now();
        let (until, workers) = (over.until(started), over.workers(registry));
        announce(registry, list)?;
        hit("reference.announced");
        let pushed = AuditNote::of_library("reference.push")
            .with("list", list.name.as_str())
            .with("version", list.version);
        registry.audit(&pushed)?;

        let seen = sightings(registry, &list.name)?;
        let (mut tenants, mut due) = (Vec::new(), Vec::new());
        for (id, record) in over.selected(registry)? {
            let known = record.as_deref().and_then(|record| seen_in(&seen, record));
            let outcome = match record.as_deref() {
                _ if known.is_some_and(|known| known.version >= list.version) => {
                    let version = known.map_or(0, |known| known.version);
                    PushOutcome::AlreadyThere { version }
                }
                Some(&TenantRecord { status, .. }) if status != Status::Active => {
                    PushOutcome::NotActive { status }
                }
                _ => {
                    due.push((tenants.len(), id));
                    PushOutcome::NotReached
                }
            };
            tenants.push(TenantPush {
                id,
                outcome,
                took: Duration::ZERO,
            });
        }

        let total = tenants.len();
        let mut done = total - due.len();
        let mut notes = Notes::new(registry, &list.name);
        let one = |number: usize| {
            let began = Instant::now();
            let pushed = push_one(registry, list, &due[number].1, workers);
            (pushed, began.elapsed())
        };
        run(due.len(), workers, until, one, |number, (pushed, took)| {
            let tenant = &mut tenants[due[number].0];
            tenant.took = took;
            tenant.outcome = match pushed {
                Ok((outcome, sighting)) => {
                    notes.take_down(sighting);
                    outcome
                }
                Err(error) => PushOutcome::Failed(error),
            };
            done += 1;
            progress(PushProgress {
                done,
                total,
                tenant,
            });
        })
        .map_err(ReferenceError::NoThread)?;
        Ok(ReferenceReport {
            list: list.name.clone(),
            version: list.version,
            not_noted: notes.finish(),
            tenants,
            took: started.elapsed(),
        })
    }

    /// Where all tenants stand with a list, as the catalogue knows it. Opens no tenant.
    ///
    /// # Errors
    /// [`ReferenceError::UnknownList`]; [`ReferenceError::Catalog`].
    pub fn reference_status(&self, list: &str) -> Result<ReferenceStatus, ReferenceError> {
        let registry = &self.registry;
        let newest = registry.ask(|c| c.reference_newest(list))?;
        let newest = newest.ok_or_else(|| ReferenceError::UnknownList {
            list: Excerpt::of(list),
        })?;
        let seen = sightings(registry, list)?;
        let standing = |record: &TenantRecord| {
            let last = seen.get(&record.uuid);
            let standing = match (seen_in(&seen, record), last) {
                (Some(now), _) if now.version >= newest => Standing::Current,
                (None, Some(_)) => Standing::Unchecked,
                _ => Standing::Behind,
            };
            TenantStanding {
                id: record.id,
                status: record.status,
                standing,
                version: last.map(|last| last.version),
                applied_at: last.map(|last| from_millis(last.applied_at)),
            }
        };
        let records = registry.tenants()?;
        Ok(ReferenceStatus {
            list: list.to_owned(),
            newest,
            tenants: records.iter().map(|record| standing(record)).collect(),
        })
    }

    /// All lists that were ever pushed, with the newest version of each, ordered by name.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub fn reference_lists(&self) -> Result<Vec<(String, u64)>, ReferenceError> {
        Ok(self.registry.ask(|c| c.reference_lists())?)
    }
}

fn announce<C: Backend>(
    registry: &Registry<C>,
    list: &ReferenceList<'_, C>,
) -> Result<(), ReferenceError> {
    let (name, version) = (list.name.clone(), list.version);
    match registry.change(|c| c.reference_announce(&name, version, &list.digest))? {
        Announced::Done => Ok(()),
        Announced::Older { newest } => Err(ReferenceError::Older {
            list: name,
            version,
            newest,
        }),
        Announced::ContentChanged => Err(ReferenceError::ContentChanged {
            list: name,
            version,
        }),
    }
}

fn sightings<C: Backend>(
    registry: &Registry<C>,
    list: &str,
) -> Result<HashMap<Uuid, Sighting>, CatalogError> {
    let seen = registry.ask(|c| c.reference_sightings(list))?;
    Ok(seen.into_iter().map(|seen| (seen.tenant, seen)).collect())
}

/// What was seen in the database the tenant has now. One that was restored may have an older version than the one before.
fn seen_in<'a>(seen: &'a HashMap<Uuid, Sighting>, tenant: &TenantRecord) -> Option<&'a Sighting> {
    let last = seen.get(&tenant.uuid);
    last.filter(|last| last.generation == tenant.generation)
}

fn push_one<C: Backend>(
    registry: &Registry<C>,
    list: &ReferenceList<'_, C>,
    id: &TenantId,
    workers: usize,
) -> Result<(PushOutcome, Sighting), PushError> {
    let mut ctx = enter(registry, id, workers)?;
    hit("reference.entered");
    let id = ctx.tenant_id();
    // What the closure can leave broken behind a panic is its own.
    let brought = catch_unwind(AssertUnwindSafe(|| {
        ctx.transaction(|ctx| list.bring_to(ctx))
    }));
    let brought = brought.map_err(|panic| {
        discard(panic);
        PushError::Panicked { id }
    })?;
    let (outcome, entry) = match brought.map_err(|source| PushError::Query { id, source })? {
        Brought::Now { rows, from, entry } => (PushOutcome::Applied { rows, from }, entry),
        Brought::Found(found) if found.version == list.version && found.digest != list.digest => {
            let version = found.version;
            return Err(PushError::ContentChanged { id, version });
        }
        Brought::Found(found) => {
            let version = found.version;
            (PushOutcome::AlreadyThere { version }, found)
        }
    };
    hit("reference.committed");
    let sighting = Sighting {
        tenant: ctx.tenant_uuid(),
        generation: ctx.generation(),
        version: entry.version,
        applied_at: entry.applied_at,
    };
    Ok((outcome, sighting))
}

/// What was seen in the tenants, on its way to the catalogue.
///
/// That it arrives is worth a look less at the tenant next time, and no more: so it goes there in batches, and a failure is
/// counted only.
struct Notes<'a, C: Backend> {
    registry: &'a Registry<C>,
    list: &'a str,
    pending: Vec<Sighting>,
    lost: usize,
}

impl<'a, C: Backend> Notes<'a, C> {
    fn new(registry: &'a Registry<C>, list: &'a str) -> Self {
        Self {
            registry,
            list,
            pending: Vec::new(),
            lost: 0,
        }
    }

    fn take_down(&mut self, sighting: Sighting) {
        self.pending.push(sighting);
        if self.pending.len() >= NOTED_AT_A_TIME {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let (list, pending) = (self.list, &self.pending);
        let noted = self.registry.change(|c| c.reference_note(list, pending));
        if noted.is_err() {
            self.lost += self.pending.len();
        }
        self.pending.clear();
        hit("reference.noted");
    }

    fn finish(mut self) -> usize {
        self.flush();
        self.lost
    }
}
