//! Tombstones: what keeps a purged tenant purged.
//!
//! ```text
//! <root>/tombstones/<uuid>.json       the certificate of one purge
//! ```
//!
//! They stand beside the catalogue and not in it, so that a catalogue restored from an old backup cannot bring back a
//! tenant it still believes in. That one exists is what counts: one that cannot be read is a tombstone all the same.
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use uuid::Uuid;

use super::files::{self, FileAction, FileError, lstat};
use super::root::Root;
use crate::backend::error::StorageError;
use crate::catalog::{Certificate, PurgedGeneration};
use crate::failpoint::hit;

fn path(root: &Root, tenant: Uuid) -> PathBuf {
    root.tombstones().join(format!("{}.json", tenant.simple()))
}

/// Those that were being written, or are.
pub(super) fn unfinished(root: &Root) -> Result<Vec<Uuid>, FileError> {
    let names = names(root)?;
    let stems = names
        .iter()
        .filter_map(|name| stem(name.strip_prefix(".new-")?));
    Ok(stems.collect())
}

pub(super) fn remove_unfinished(root: &Root, tenant: Uuid) -> Result<(), FileError> {
    files::remove_name(&files::staging_beside(&path(root, tenant))).map(drop)
}

/// Whether a tenant was purged.
pub(super) fn stands(root: &Root, tenant: Uuid) -> Result<bool, FileError> {
    Ok(lstat(&path(root, tenant))?.is_some())
}

/// The uuids of all purged tenants. Names that are none are left alone.
pub(super) fn all(root: &Root) -> Result<Vec<Uuid>, FileError> {
    let names = names(root)?;
    Ok(names.iter().filter_map(|name| stem(name)).collect())
}

fn names(root: &Root) -> Result<Vec<String>, FileError> {
    let directory = root.tombstones();
    let list = |error| FileError::new(FileAction::List, &directory, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(&directory).map_err(list)? {
        names.extend(entry.map_err(list)?.file_name().into_string());
    }
    Ok(names)
}

/// Of whom the tombstone of this name is.
fn stem(name: &str) -> Option<Uuid> {
    Uuid::try_parse(name.strip_suffix(".json")?).ok()
}

/// What a purge wrote down; `None` where there was none.
pub(super) fn read(root: &Root, tenant: Uuid) -> Result<Option<Certificate>, StorageError> {
    let path = path(root, tenant);
    if lstat(&path)?.is_none() {
        return Ok(None);
    }
    let unreadable = |source| StorageError::Certificate { tenant, source };
    let text = fs::read(&path).map_err(|source| FileError::new(FileAction::Read, &path, source))?;
    // One of a newer build may have more to say; what this one knows of is there.
    serde_json::from_slice(&text).map(Some).map_err(unreadable)
}

/// Writes a tombstone down, in place of the one that may be there, and waits until it is on the disk.
///
/// Killed in between, the old one stands or the new one.
pub(super) fn write(root: &Root, certificate: &Certificate) -> Result<(), StorageError> {
    let path = path(root, certificate.uuid);
    // Only the one who works on the tenant's operation writes it, so the name is nobody else's.
    let staging = files::staging_beside(&path);
    files::remove_name(&staging)?;
    let tenant = certificate.uuid;
    let text = serde_json::to_vec_pretty(certificate)
        .map_err(|source| StorageError::Certificate { tenant, source })?;
    create(&staging, &text)?;
    hit("tombstone.synced");
    fs::rename(&staging, &path)
        .map_err(|source| FileError::new(FileAction::Publish, &path, source))?;
    files::sync_dir(&root.tombstones())?;
    hit("tombstone.published");
    Ok(())
}

fn create(path: &Path, text: &[u8]) -> Result<(), FileError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    let mut file = File::from(file.map_err(|e| FileError::new(FileAction::Create, path, e))?);
    file.write_all(text)
        .map_err(|source| FileError::new(FileAction::Write, path, source))?;
    file.sync_all()
        .map_err(|source| FileError::new(FileAction::Sync, path, source))
}

/// What is there of a tenant, whatever its state: its generations and the bytes of all of its files. `None` where its
/// directory is gone. Nothing is opened.
pub(super) fn inventory(
    directory: &Path,
) -> Result<Option<(Vec<PurgedGeneration>, u64)>, FileError> {
    if lstat(directory)?.is_none() {
        return Ok(None);
    }
    let list = |error| FileError::new(FileAction::List, directory, error);
    let (mut generations, mut bytes) = (Vec::new(), 0);
    for entry in fs::read_dir(directory).map_err(list)? {
        let path = entry.map_err(list)?.path();
        bytes += lstat(&path)?.map_or(0, |found| found.len());
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix('g')?.strip_suffix(".sqlite3"));
        if let Some(generation) = number.and_then(|number| number.parse().ok()) {
            let bytes = files::size(&path)?;
            generations.push(PurgedGeneration { generation, bytes });
        }
    }
    generations.sort_by_key(|found| found.generation);
    Ok(Some((generations, bytes)))
}
