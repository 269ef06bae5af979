//! The shared database, and with it the catalogue, from a backup.
//!
//! | step | failpoint after it | killed here |
//! |---|---|---|
//! | backup looked into and copied beside the shared database | `restore-shared.staged` | nothing has happened; the copy is removed by the next try |
//! | **marker: nobody can open the library** | `restore-shared.begun` | calling it again finishes |
//! | old database set aside under a name of its own | `restore-shared.aside` | the same |
//! | the copy gets its name | `restore-shared.published` | the same |
//! | catalogue and disk agree again | `restore-shared.reconciled` | the same |
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
use crate::backend::sqlite::{Settings, SharedRestore, SharedRestoreError};
use crate::backend::{Backend, BackupStorage, TenantKey};
use crate::backup::{self, Manifest};
use crate::catalog::audit::Draft;
use crate::catalog::backups::{BackupStore, OnDiskReport};
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
    /// Databases of tenants the catalogue does not know: created after the backup. Nothing was done to them;
    /// [`Tenancy::reclaim_orphan`](crate::Tenancy::reclaim_orphan) takes one back.
    pub orphans: Vec<TenantKey>,
    /// Backups on this disk that were taken after this one, and are in the catalogue now.
    pub backups: usize,
}

pub(crate) fn restore_shared(
    settings: &Settings,
    set: &MigrationSet,
    path: &Path,
    by: &Principal,
) -> Result<SharedRestored, RestoreError> {
    type S = <SqliteConnection as Backend>::Storage;

    let place = SharedRestore::open(settings)?;
    let path = std::path::absolute(path).unwrap_or(path.to_owned());
    let manifest = || -> Result<Manifest, RestoreError> {
        Ok(Manifest::read(&S::backup_manifest(&path)?, &path)?)
    };
    if let Some(begun) = place.unfinished()? {
        place.refuse_in_use()?;
        let finished = finish(&place, &begun, by)?;
        // Whatever was asked for now, the one that was begun comes first; asked for again, it is done.
        if manifest().is_ok_and(|manifest| manifest.id == begun.backup) {
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
    if let Some(other) = on_disk.first()
        && on_disk.iter().all(|one| one.catalog != identity.catalog)
    {
        return Err(RestoreError::WrongCatalog {
            found: identity.catalog,
            wanted: other.catalog,
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
        Ok(begun) => finish(&place, &begun, by),
        Err(error) => {
            // The error that matters is the first one; the next try removes what is left.
            let _ = place.discard();
            Err(error)
        }
    }
}

fn finish(
    place: &SharedRestore,
    begun: &crate::backend::sqlite::Marker,
    by: &Principal,
) -> Result<SharedRestored, RestoreError> {
    // The log is replaced with the rest. What is set aside says by whom and by what; what comes in its place says it, too.
    let replaced = AuditNote::of_library("catalog.replace").subject(begun.backup);
    let aside = place.replace(begun, &Draft::new(by, &replaced))?;
    let mut conn = place.connect(begun)?;
    let catalog = |error| RestoreError::Catalog(CatalogError::Query(error));
    let found = place.on_disk()?;
    let report: OnDiskReport = conn
        .reconcile(begun.catalog, begun.backup, &found, by)
        .map_err(catalog)?;
    let backups = backup::reconcile(&mut conn, &place.backups(), begun.catalog, by)?;
    drop(conn);
    hit("restore-shared.reconciled");
    place.close()?;
    hit("restore-shared.closed");
    Ok(SharedRestored {
        backup: begun.backup,
        aside,
        moved: report.moved,
        missing: report.missing,
        orphans: report.orphans,
        backups,
    })
}

impl From<SharedRestoreError> for RestoreError {
    fn from(error: SharedRestoreError) -> Self {
        match error {
            SharedRestoreError::Storage(error) => Self::Storage(error),
            other => Self::Shared(Box::new(other)),
        }
    }
}
