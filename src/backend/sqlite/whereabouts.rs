//! Where a tenant's files are, for people and tools that need the file itself.
use std::path::{Path, PathBuf};

use diesel::SqliteConnection;

use crate::backend::{Storage, StorageError};
use crate::error::LifecycleError;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// A database file. Answered by [`Tenancy::database_file`] and [`Tenancy::shared_file`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseFile {
    /// Its path; `-wal` and `-shm` beside it are part of it.
    pub path: PathBuf,
    /// Bytes on disk, the `-wal` included. `None` where there is no file.
    pub bytes: Option<u64>,
}

/// Room on the file system of the data directory. Answered by [`Tenancy::disk_space`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskSpace {
    /// Bytes this user may still write.
    pub free: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Tenancy<SqliteConnection> {
    /// The data directory.
    pub fn data_directory(&self) -> &Path {
        self.registry.common.storage.root().path()
    }

    /// The file of the shared database.
    ///
    /// # Errors
    /// The file cannot be inspected.
    pub fn shared_file(&self) -> Result<DatabaseFile, LifecycleError> {
        let path = self.registry.common.storage.root().shared();
        let bytes = super::files::size(&path).map_err(StorageError::from)?;
        Ok(DatabaseFile {
            path,
            bytes: Some(bytes),
        })
    }

    /// The file a tenant's database is in now, whatever its status. Opens nothing.
    ///
    /// The next generation is another file: a path must not be kept across `compact` or a restore.
    ///
    /// # Errors
    /// [`OpenError::UnknownTenant`](crate::OpenError::UnknownTenant); the file cannot be inspected.
    pub fn database_file(&self, id: &TenantId) -> Result<DatabaseFile, LifecycleError> {
        let tenant = self.registry.tenant(id).map_err(LifecycleError::from)?;
        self.generation_file(id, tenant.record().generation)
    }

    /// The file of one of a tenant's generations, such as one of its [old ones](Tenancy::old_generations). Opens nothing.
    ///
    /// # Errors
    /// [`OpenError::UnknownTenant`](crate::OpenError::UnknownTenant); the file cannot be inspected.
    pub fn generation_file(
        &self,
        id: &TenantId,
        generation: u64,
    ) -> Result<DatabaseFile, LifecycleError> {
        let tenant = self.registry.tenant(id).map_err(LifecycleError::from)?;
        let (key, storage) = (tenant.record().key(), &self.registry.common.storage);
        let bytes = match storage.exists(&key, generation)? {
            true => Some(storage.size(&key, generation)?),
            false => None,
        };
        let path = storage.path(&key, generation);
        Ok(DatabaseFile { path, bytes })
    }

    /// Room on the file system of the data directory.
    ///
    /// # Errors
    /// The operating system's.
    pub fn disk_space(&self) -> Result<DiskSpace, LifecycleError> {
        let (free, total) =
            super::files::space(self.data_directory()).map_err(StorageError::from)?;
        Ok(DiskSpace { free, total })
    }
}
