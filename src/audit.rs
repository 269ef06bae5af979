//! The audit log: who did what, when and why.
//!
//! Every change of the catalogue leaves an entry in the same transaction: operations on tenants when they begin (so,
//! for those that destroy something, before they do) and when they commit, changes of status, break-glass grants.
//! Openings of contexts are entered according to an [`AuditPolicy`].
//!
//! The log is a table in the shared database. Rows are only ever added, which triggers see to, and each holds the
//! SHA-256 of the one before, so that [`Tenancy::verify_audit`] names the first row that was changed, taken out, put in
//! or moved. That defends against edits by hand and by programs that do not know of it. Whoever may write to the
//! database, and means to, can compute the chain anew: against them, write the [`AuditHead`] down elsewhere from time to
//! time, and compare by [`Tenancy::verify_audit_against`].
//!
//! # Example
//! ```no_run
//! # fn run(tenancy: &diesel_tenants::Tenancy) -> Result<(), Box<dyn std::error::Error>> {
//! use diesel_tenants::access::Principal;
//! use diesel_tenants::audit::AuditFilter;
//!
//! let admin = Principal::user("user:7".parse()?).with_reason("contract ended".parse()?);
//! let id = "TH001".parse()?;
//! tenancy.acting_as(admin).suspend(&id)?;
//! for entry in tenancy.audit_entries(&AuditFilter::all().tenant(&id), 100)? {
//!     println!("{} {} {}", entry.seq, entry.actor, entry.action);
//! }
//! assert!(tenancy.verify_audit()?.is_intact());
//! # Ok(())
//! # }
//! ```
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::access::Principal;
use crate::backend::Backend;
use crate::catalog::audit::{Draft, Row};
use crate::catalog::to_millis;
use crate::error::{AuditError, CatalogError};
use crate::registry::{Registry, Tenant};
use crate::tenancy::{Builder, Tenancy};

mod actions;
mod buffer;
mod entry;
mod keeper;
mod note;
mod verify;

pub use actions::ACTIONS;
pub(crate) use buffer::Buffer;
pub use entry::{AuditEntry, AuditFilter, AuditHead, AuditHeadError};
pub(crate) use keeper::Keeper;
pub(crate) use note::PRUNE;
pub use note::{AuditActionError, AuditNote};
pub use verify::{AuditFault, AuditVerification};

/// Which openings of tenants' databases are entered into the audit log.
///
/// Operations on tenants and break-glass grants are entered always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AuditPolicy {
    /// None but those by a break-glass grant.
    Off,
    /// Those by a break-glass grant and those in a [privileged](crate::access::Role::privileged) role, at once.
    #[default]
    PrivilegedOnly,
    /// The same, and all others, in batches: [`Tenancy::tenant`] and
    /// [`TenantHandle::enter`](crate::TenantHandle::enter) too.
    ///
    /// A batch waits in memory until there are so many entries or the oldest has waited so long ([`Builder::audit_batch`]),
    /// and is then written by whoever opens the next context. Where nobody does, a thread writes it: one for each open
    /// library, begun by its first such opening, asleep while nothing is due, ended when the library is closed. Where the
    /// system gives no thread, what waits is written by the next opening alone. [`Tenancy::flush_audit`] writes it at any
    /// time, and so does closing the library.
    ///
    /// A killed process loses openings of about that time, and less than two batches of them: what waits, and what was being
    /// written at that moment. While the shared database cannot be written they wait longer, up to four batches and one more
    /// for each thread that opens a context at that moment.
    All,
}

/// How openings are entered.
#[derive(Clone, Debug)]
pub(crate) struct AuditSettings {
    pub(crate) policy: AuditPolicy,
    pub(crate) batch: usize,
    pub(crate) delay: Duration,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            policy: AuditPolicy::default(),
            batch: 256,
            delay: Duration::from_secs(5),
        }
    }
}

/// How long entries must stay: six years, as 45 CFR 164.316(b)(2)(i) asks, in days of which every fourth year has one
/// more.
const SHORTEST_RETENTION: Duration = Duration::from_secs((6 * 365 + 2) * 24 * 60 * 60);

/// So many of the newest entries must name a time before older ones are taken away by it.
const WITNESSES: i64 = 64;

/// Rows read at once.
const PAGE: i64 = 1_000;

impl<C: Backend, S> Builder<C, S> {
    /// Which openings of tenants' databases are entered into the audit log. Default:
    /// [`AuditPolicy::PrivilegedOnly`].
    #[must_use]
    pub fn audit(mut self, policy: AuditPolicy) -> Self {
        self.hooks.audit.policy = policy;
        self
    }

    /// How many ordinary openings wait in memory at most, and how long the oldest waits before they are written together.
    /// Default: 256 (at least 1), and 5 s. See [`AuditPolicy::All`].
    ///
    /// While the shared database cannot be written four times as many may wait. Then no context is opened any more until
    /// it can: nothing is dropped.
    #[must_use]
    pub fn audit_batch(mut self, entries: usize, delay: Duration) -> Self {
        self.hooks.audit.batch = entries.max(1);
        self.hooks.audit.delay = delay;
        self
    }
}

impl<C: Backend> Tenancy<C> {
    /// The same library, with `principal` named in the audit log for whatever is done through it: operations on tenants,
    /// openings of contexts, notes.
    ///
    /// Cheap. Until it is used the actor is `uid:` and the number of the user the process runs as.
    #[must_use]
    pub fn acting_as(&self, principal: Principal) -> Self {
        Self {
            registry: Arc::new(self.registry.acting_as(principal)),
        }
    }

    /// Who is named in the audit log.
    pub fn acting(&self) -> &Principal {
        self.registry.acting()
    }

    /// Enters something the application does into the audit log, and returns when it is on the disk. Enter what destroys
    /// something, or hands it out, before it is done.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub fn audit(&self, note: &AuditNote) -> Result<(), AuditError> {
        Ok(self.registry.audit(note)?)
    }

    /// Writes the openings that wait in memory.
    ///
    /// # Errors
    /// See [`AuditError`]; they go on waiting.
    pub fn flush_audit(&self) -> Result<(), AuditError> {
        Ok(self.registry.flush_audit()?)
    }

    /// Entries that `filter` lets through, oldest first unless [told otherwise](AuditFilter::newest_first), at most `limit`
    /// (and at most 1,000). For the next page ask [after](AuditFilter::after) the last one.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub fn audit_entries(
        &self,
        filter: &AuditFilter,
        limit: usize,
    ) -> Result<Vec<AuditEntry>, AuditError> {
        let limit = i64::try_from(limit).unwrap_or(PAGE).min(PAGE);
        let rows = self.read_log(|conn| conn.audit_rows(filter, limit))?;
        Ok(rows.into_iter().map(AuditEntry::of).collect())
    }

    /// Writes the entries that `filter` lets through as JSON, one a line, and returns how many. That it was done is
    /// entered first.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub fn export_audit(
        &self,
        filter: &AuditFilter,
        out: &mut impl io::Write,
    ) -> Result<u64, AuditError> {
        self.flush_audit()?;
        let mut exported = AuditNote::of_library("audit.export");
        exported = match filter.tenant {
            Some(id) => exported.with("tenant", id.as_str()),
            None => exported,
        };
        exported = match filter.tenant_uuid {
            Some(uuid) => exported.with("tenant_uuid", uuid.to_string()),
            None => exported,
        };
        self.audit(&exported)?;
        let mut page = filter.clone();
        page.newest_first = false;
        let mut count = 0;
        loop {
            let entries = self.audit_entries(&page, PAGE as usize)?;
            let Some(last) = entries.last() else {
                return Ok(count);
            };
            page.after = Some(last.seq);
            for entry in &entries {
                serde_json::to_writer(&mut *out, entry).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
                count += 1;
            }
        }
    }

    /// The newest entry's place and hash, to be written down where nobody who can write to the shared database can.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub fn audit_head(&self) -> Result<AuditHead, AuditError> {
        let ends = self.read_log(|conn| conn.audit_ends())?;
        Ok(AuditHead {
            seq: ends.head_seq as u64,
            hash: ends.head_hash.try_into().unwrap_or_default(),
        })
    }

    /// Reads the whole log and checks that every entry is as it was entered, in its place. Takes no lock that writers
    /// wait for; the log may grow meanwhile.
    ///
    /// # Errors
    /// See [`AuditError`]. A log that was tampered with is no error but a [fault](AuditVerification::fault).
    pub fn verify_audit(&self) -> Result<AuditVerification, AuditError> {
        self.verify_log(None)
    }

    /// The same, and that the entry `head` names is the one it was when the head was written down.
    ///
    /// # Errors
    /// See [`AuditError`].
    pub fn verify_audit_against(&self, head: &AuditHead) -> Result<AuditVerification, AuditError> {
        self.verify_log(Some(head))
    }

    fn verify_log(&self, anchor: Option<&AuditHead>) -> Result<AuditVerification, AuditError> {
        // One snapshot, so that the end that is read first is the end of the rows that follow.
        self.read_log(|conn| {
            let mut chain = verify::Chain::new(conn.audit_ends()?, anchor);
            chain.retyped(conn.audit_retyped(chain.next())?);
            loop {
                let rows: Vec<Row> = conn.audit_chain(chain.next(), PAGE)?;
                let done = rows.len() < PAGE as usize;
                let sound = rows.iter().all(|row| chain.follow(row));
                if done || !sound {
                    return Ok(chain.end());
                }
            }
        })
    }

    /// Reads the log, as one snapshot, through a connection of the pool: looking for something in years of entries takes
    /// its time, and every door waits for the one connection the catalogue is read by.
    fn read_log<T>(
        &self,
        f: impl FnOnce(&mut C) -> diesel::QueryResult<T>,
    ) -> Result<T, AuditError> {
        let mut shared = self.shared().map_err(AuditError::Open)?;
        let read = shared.read_transaction(|shared| shared.on_connection(f));
        Ok(read.map_err(CatalogError::of::<C>)?)
    }

    /// Takes away entries that are older than `keep`, at least six years, and returns how many they were. What is left
    /// is verified from there on: the log keeps the number and the hash of the last one that went, and an entry says so.
    ///
    /// Nothing does this by itself. How old an entry is goes by this machine's clock, but by no later time than the log has
    /// seen: the earliest of the newest 64 entries. A clock that is years ahead takes nothing away, unless the log was
    /// written by it for so long.
    ///
    /// # Errors
    /// [`AuditError::RetentionTooShort`], or the catalogue.
    pub fn prune_audit(&self, keep: Duration) -> Result<u64, AuditError> {
        if keep < SHORTEST_RETENTION {
            return Err(AuditError::RetentionTooShort {
                asked: keep,
                shortest: SHORTEST_RETENTION,
            });
        }
        // A clock that is wrong by years must have been everybody's for a while before it is believed.
        let clock = to_millis(SystemTime::now());
        let seen = self.read_log(|conn| conn.audit_seen(WITNESSES))?;
        let now = seen.map_or(clock, |seen| seen.min(clock));
        let keep = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let before = now.saturating_sub(keep);
        let by = self.registry.acting();
        Ok(self.registry.write(|conn| conn.audit_prune(before, by))?)
    }
}

impl<C: Backend> Registry<C> {
    /// Enters something into the audit log, at once.
    pub(crate) fn audit(&self, note: &AuditNote) -> Result<(), CatalogError> {
        let draft = Draft::new(self.acting(), note);
        self.write(|conn| conn.audit_append(&[draft]))
    }

    pub(crate) fn flush_audit(&self) -> Result<(), CatalogError> {
        let buffer = &self.openings;
        buffer.flush(|batch| self.write(|conn| conn.audit_append(batch)))
    }

    /// Enters the opening of a context, sooner or later.
    #[cold]
    pub(crate) fn note_opening(
        &self,
        tenant: &Tenant<C>,
        by: &Principal,
        note: AuditNote,
    ) -> Result<(), CatalogError> {
        let draft = Draft::new(by, &note.about(tenant.record().key()));
        let settings = &self.hooks.audit;
        self.openings.add(draft, settings, |batch| {
            self.write(|conn| conn.audit_append(batch))
        })?;
        self.keeper.begin(|| {
            let (openings, delay) = (Arc::clone(&self.openings), settings.delay);
            let writer = Arc::clone(&self.writer);
            move || openings.keep(delay, |batch| writer.lock().audit_append(batch))
        });
        Ok(())
    }
}

/// An opening of the tenant's database as it is now.
pub(crate) fn opening(generation: u64) -> AuditNote {
    AuditNote::of_library("tenant.open").generation(generation)
}
