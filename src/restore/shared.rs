//! The shared database, and with it the catalogue, from a backup.
//!
//! | step | failpoint after it | killed here |
//! |---|---|---|
//! | backup looked into and copied beside the shared database | `restore-shared.staged` | nothing has happened; the copy is removed by the next try |
//! | **marker: nobody can open the library** | `restore-shared.begun` | calling it again finishes |
//! | old database set aside under a name of its own | `restore-shared.aside` | the same |
//! | the copy gets its name | `restore-shared.published` | the same |
//! | catalogue and disk agree again | `restore-shared.reconciled` | the same |
//! | fences lowered that operations left which were never committed | `restore-shared.unfenced` | the same |
//! | marker removed | `restore-shared.closed` | nothing is left to do |
//!
//! An old catalogue is dangerous: it believes in operations that ended long ago, and would undo them in databases that
//! have been in use since. So nothing of it is settled before it was brought in line with the disk.
use std::path::{Path, PathBuf};

use diesel::SqliteConnection;
use uuid::Uuid;

use super::{RestoreError, accept_schema};
use crate::access::Principal;
use crate::audit::AuditNote;
use crate::backend::sqlite::{Marker, Replaced, Settings, SharedRestore, SharedRestoreError};
use crate::backend::{OnDisk, TenantKey, UnreadableDatabase};
use crate::backup::{self, Manifest};
use crate::catalog::audit::Draft;
use crate::catalog::backups::{BackupStore, OnDiskReport};
use crate::catalog::{CatalogStore, Changed, RetentionStore};
use crate::error::CatalogError;
use crate::failpoint::hit;
use crate::migrate::MigrationSet;

/// What [`Builder::restore_shared`](crate::Builder::restore_shared) did.
#[derive(Debug)]
#[non_exhaustive]
pub struct SharedRestored {
    /// The backup that is the shared database now.
    pub backup: Uuid,
    /// Where the database is that was there before. It is never removed by the library.
    pub aside: Option<PathBuf>,
    /// Tenants whose newest generation is newer than the catalogue knew: it knows now. Generation before and after.
    pub moved: Vec<(TenantKey, u64, u64)>,
    /// Tenants the catalogue knows that have no database on this disk. Restore each from its own backup.
    pub missing: Vec<TenantKey>,
    /// Databases that are on this disk and could not be read. Where one is a tenant's newest, the tenant has it all the
    /// same and is closed until it can be read, or is restored from its own backup: an older one is not served instead.
    pub unreadable: Vec<UnreadableDatabase>,
    /// Tenants that were deleted, by the backup, and whose date was taken back: whether a legal hold was laid on one
    /// since, or the deletion was taken back, it cannot know. None is due until it is deleted again.
    pub undated: Vec<TenantKey>,
    /// Tenants that are under a legal hold again, which was laid after the backup and is kept beside it.
    pub held: Vec<TenantKey>,
    /// Databases of tenants the catalogue does not know: created after the backup. Nothing was done to them;
    /// [`Tenancy::reclaim_orphan`](crate::Tenancy::reclaim_orphan) takes one back.
    pub orphans: Vec<TenantKey>,
    /// Backups that were taken after this one and are in the catalogue now: those in the data directory's own directory of
    /// backups, in that of this backup, and in every one that the catalogue names.
    pub backups: usize,
}

pub(crate) fn restore_shared(
    settings: &Settings,
    set: &MigrationSet,
    path: &Path,
    by: &Principal,
) -> Result<SharedRestored, RestoreError> {
    let place = SharedRestore::open(settings)?;
    let path = std::path::absolute(path).unwrap_or(path.to_owned());
    let manifest = || -> Result<Manifest, RestoreError> {
        let read = backup::read_manifest::<SqliteConnection>(&path);
        Ok(read.map_err(|error| error.of_set(None))?)
    };
    if let Some(begun) = place.unfinished()? {
        place.refuse_in_use()?;
        // Whatever was asked for now, the one that was begun comes first; asked for again, it is done.
        if let Some(finished) = finish(&place, &begun, &path, by)?
            && manifest().is_ok_and(|manifest| manifest.id == begun.backup)
        {
            return Ok(finished);
        }
    }
    place.refuse_in_use()?;
    let manifest = manifest()?;
    let identity = manifest.database;
    if let Some(tenant) = identity.tenant {
        return Err(RestoreError::NotShared {
            is: super::BackupOwner::Tenant(tenant.id, tenant.uuid),
        });
    }
    let on_disk = place.on_disk()?;
    let catalogs = || on_disk.iter().filter_map(|found| Some(found.owner?.1));
    if let Some(other) = catalogs().next()
        && catalogs().all(|catalog| catalog != identity.catalog)
    {
        return Err(RestoreError::WrongCatalog {
            found: identity.catalog,
            wanted: other,
        });
    }
    let staged = place
        .stage(&path, manifest.bytes, &manifest.sha256, set)
        .map_err(RestoreError::from)
        .and_then(|facts| {
            manifest.check(&facts, &path)?;
            accept_schema(&facts, set, false)?;
            Ok(place.begin(manifest.id, identity.catalog)?)
        });
    match staged {
        Ok(begun) => finish(&place, &begun, &path, by)?.ok_or(RestoreError::NothingReplaced {
            backup: begun.backup,
        }),
        Err(error) => {
            // The error that matters is the first one; the next try removes what is left.
            let _ = place.discard();
            Err(error)
        }
    }
}

/// Does what is left to do. `None` where the copy went before it got its name: nothing was replaced, and the marker is
/// taken away, so that it is begun anew.
fn finish(
    place: &SharedRestore,
    begun: &Marker,
    path: &Path,
    by: &Principal,
) -> Result<Option<SharedRestored>, RestoreError> {
    // The log is replaced with the rest. What is set aside says by whom and by what; what comes in its place says it, too.
    let replaced = AuditNote::of_library("catalog.replace").subject(begun.backup);
    let aside = match place.replace(begun, &Draft::new(by, &replaced))? {
        Replaced::By(aside) => aside,
        Replaced::Not => {
            place.close()?;
            return Ok(None);
        }
    };
    let mut conn = place.connect(begun)?;
    let catalog = |error| RestoreError::Catalog(CatalogError::Query(error));
    let found = place.on_disk()?;
    let report: OnDiskReport = conn
        .reconcile(
            begun.catalog,
            begun.backup,
            &found,
            &|key| place.directory_name(key),
            &|tenant| place.is_purged(tenant),
            by,
        )
        .map_err(catalog)?;
    let held = lay_holds(&place.holds()?, &mut conn, by).map_err(catalog)?;
    let beside = place.beside(path);
    let backups = backup::reconcile(&mut conn, &place.backups(), beside, begun.catalog, by)?;
    drop(conn);
    hit("restore-shared.reconciled");
    let mut unreadable = unreadable(&found, &report);
    for (key, generation) in report.fenced {
        // It stays fenced then, which is told of by verifying it and mended by a repair.
        if let Err(error) = place.unfence(begun, &key, generation) {
            unreadable.push(UnreadableDatabase {
                tenant: Some(key),
                file: file(&place.directory_name(&key), generation),
                reason: error.to_string(),
            });
        }
    }
    hit("restore-shared.unfenced");
    place.close()?;
    hit("restore-shared.closed");
    Ok(Some(SharedRestored {
        backup: begun.backup,
        aside,
        moved: report.moved,
        missing: report.missing,
        unreadable,
        undated: report.undated,
        held,
        orphans: report.orphans,
        backups,
    }))
}

/// Lays the holds that were found beside the catalogue and are not in it.
fn lay_holds(
    holds: &[(Uuid, String)],
    conn: &mut SqliteConnection,
    by: &Principal,
) -> diesel::QueryResult<Vec<TenantKey>> {
    let mut held = Vec::new();
    for (tenant, reason) in holds {
        match conn.catalog_tenant(*tenant)? {
            Some(record) if record.legal_hold.is_none() => {
                if let Changed::Done =
                    conn.retention_hold(*tenant, Some(reason), &mut |_| true, by)?
                {
                    held.push(record.key());
                }
            }
            _ => {}
        }
    }
    Ok(held)
}

fn file(directory: &str, generation: u64) -> String {
    match generation {
        0 => directory.to_owned(),
        _ => format!("{directory}/g{generation}.sqlite3"),
    }
}

fn unreadable(found: &[OnDisk], report: &OnDiskReport) -> Vec<UnreadableDatabase> {
    let mut unreadable = Vec::new();
    for found in found {
        let known = report.directories.get(&found.directory).copied();
        for (generation, reason) in &found.unreadable {
            unreadable.push(UnreadableDatabase {
                tenant: known.or(found.owner.map(|(key, _)| key)),
                file: file(&found.directory, *generation),
                reason: reason.clone(),
            });
        }
    }
    unreadable
}

impl From<SharedRestoreError> for RestoreError {
    fn from(error: SharedRestoreError) -> Self {
        match error {
            SharedRestoreError::Storage(error) => Self::Storage(error),
            other => Self::Shared(Box::new(other)),
        }
    }
}
