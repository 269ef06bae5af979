//! Legal holds, beside the catalogue: one that was restored from an old backup knows nothing of those laid since.
//!
//! ```text
//! <root>/holds/<uuid>.json            one tenant under a legal hold, and why
//! ```
//!
//! Written and removed within the transaction that lays or lifts the hold, before it is committed. Whoever opens the library
//! lays what stands here and is not in the catalogue, and writes down what is there and does not stand here: killed in
//! between, a hold is laid that nobody was told of, or stays that was to be lifted. It can be lifted again.
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::artefact;
use super::files::{self, FileAction, FileError, lstat};
use super::root::Root;
use crate::backend::error::StorageError;
use crate::failpoint::hit;

/// The most bytes that are read of one: a reason has at most 200 characters.
const LIMIT: u64 = 16 << 10;

/// What the names of those that are being written begin with: whose it is and who writes it come after it.
const STAGING: &str = ".new-";

#[derive(Serialize, Deserialize)]
struct Hold {
    reason: String,
}

fn path(root: &Root, tenant: Uuid) -> PathBuf {
    root.holds().join(format!("{}.json", tenant.simple()))
}

pub(super) fn stands(root: &Root, tenant: Uuid) -> Result<bool, StorageError> {
    Ok(lstat(&path(root, tenant))?.is_some())
}

/// Writes a hold down, in place of the one that may be there, and waits until it is on the disk.
pub(super) fn write(
    root: &Root,
    tenant: Uuid,
    reason: &str,
    instance: Uuid,
) -> Result<(), StorageError> {
    let path = path(root, tenant);
    let staging = format!("{STAGING}{}-{}", tenant.simple(), instance.simple());
    let staging = root.holds().join(staging);
    files::remove_name(&staging)?;
    let hold = Hold {
        reason: reason.to_owned(),
    };
    let text = serde_json::to_vec(&hold).expect("text becomes JSON");
    artefact::write_new(&staging, &text)?;
    fs::rename(&staging, &path)
        .map_err(|source| FileError::new(FileAction::Publish, &path, source))?;
    files::sync_dir(&root.holds())?;
    hit("hold.written");
    Ok(())
}

pub(super) fn remove(root: &Root, tenant: Uuid) -> Result<(), StorageError> {
    if files::remove_name(&path(root, tenant))? {
        files::sync_dir(&root.holds())?;
    }
    hit("hold.removed");
    Ok(())
}

/// Removes what instances that are no more were writing.
pub(super) fn sweep(
    root: &Root,
    is_alive: impl Fn(Uuid) -> Result<bool, StorageError>,
) -> Result<(), StorageError> {
    let directory = root.holds();
    let list = |error| FileError::new(FileAction::List, &directory, error);
    for entry in fs::read_dir(&directory).map_err(list)? {
        let entry = entry.map_err(list)?;
        let name = entry.file_name();
        let ids = name.to_str().and_then(|name| name.strip_prefix(STAGING));
        let writer = ids.and_then(|ids| Uuid::try_parse(ids.split_once('-')?.1).ok());
        if let Some(writer) = writer
            && !is_alive(writer)?
        {
            files::remove_name(&entry.path())?;
        }
    }
    Ok(())
}

/// The tenants that are under a hold, and why. One that cannot be read holds all the same.
pub(super) fn all(root: &Root) -> Result<Vec<(Uuid, String)>, StorageError> {
    let directory = root.holds();
    let list = |error| FileError::new(FileAction::List, &directory, error);
    let mut holds = Vec::new();
    for entry in fs::read_dir(&directory).map_err(list)? {
        let entry = entry.map_err(list)?;
        let name = entry.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(".json"));
        let Some(tenant) = stem.and_then(|stem| Uuid::try_parse(stem).ok()) else {
            continue;
        };
        let read = artefact::read(&entry.path(), LIMIT)
            .ok()
            .and_then(Result::ok);
        let hold = read.and_then(|text| serde_json::from_slice::<Hold>(&text).ok());
        let reason = hold.map_or_else(
            || "found beside the catalogue; why cannot be read".to_owned(),
            |hold| hold.reason,
        );
        holds.push((tenant, reason));
    }
    Ok(holds)
}
