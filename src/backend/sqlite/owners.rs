//! Whose the files in a tenant's directory are, asked before they are removed for good: where they were swapped or linked by
//! hand, one of them may be the only database that another tenant has.
use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use super::connect;
use super::files::{self, FileKind, SIDE_SUFFIXES, UnsafeFile, lstat};
use super::identity::Identity;
use super::leftovers::{self, Entry};
use crate::backend::TenantKey;
use crate::backend::error::{ConnectError, OthersDatabase, StorageError, Whose};

/// Refuses a directory that is none, since it may lead to another tenant's.
pub(super) fn check_directory(directory: &Path, key: &TenantKey) -> Result<(), ConnectError> {
    let refuse = |reason| {
        let whose = Whose::Tenant(key.id);
        Err(ConnectError::Unsafe { whose, reason })
    };
    match lstat(directory) {
        Ok(None) => Ok(()),
        Ok(Some(found)) if found.is_dir() => Ok(()),
        Ok(Some(found)) => refuse(format!(
            "its directory is {}, which may lead to another tenant's; nothing was removed, put the directory itself there",
            FileKind::of(&found)
        )),
        Err(error) => refuse(error.to_string()),
    }
}

/// Refuses a directory of which a part is not the tenant's: see [`check_directory`], and a database that is another's, under
/// whichever name. Returns the numbers of the generations that are damaged, empty or no files of ours, so that they could be
/// anybody's: their directory says whose they are.
pub(super) fn check_all(
    directory: &Path,
    key: &TenantKey,
    catalog: Uuid,
    wait: Duration,
) -> Result<Vec<u64>, StorageError> {
    check_directory(directory, key)?;
    let mut unreadable = Vec::new();
    for name in leftovers::names(directory)? {
        let entry = Entry::of(&name);
        // What is being made may be a copy of anything; the original is elsewhere.
        let is_side = SIDE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
        if entry == Entry::Staging || is_side {
            continue;
        }
        let path = directory.join(&name);
        let whose = Whose::Tenant(key.id);
        if lstat(&path)?.is_some_and(|found| found.is_dir()) {
            let reason = format!(
                "{name:?} is a directory, which does not belong into that of a tenant; nothing was removed, move it away"
            );
            return Err(ConnectError::Unsafe { whose, reason }.into());
        }
        match (stamp(&path, &whose, wait)?, entry) {
            (Some(found), _) if is_others(&found, key, catalog) => {
                return Err(StorageError::Others(Box::new(OthersDatabase {
                    tenant: key.id,
                    found: name,
                    owner: found.told(&Identity::tenant(catalog, key, 1)),
                })));
            }
            (None, Entry::Database(generation)) => unreadable.push(generation),
            _ => {}
        }
    }
    Ok(unreadable)
}

/// Whether a database holds what belongs to somebody else. Of which generation it is does not matter.
fn is_others(found: &Identity, key: &TenantKey, catalog: Uuid) -> bool {
    let is_ours = found.scope == "tenant"
        && found.tenant_uuid.as_deref() == Some(key.uuid.as_bytes().as_slice())
        && found.catalog_uuid.as_deref() == Some(catalog.as_bytes().as_slice());
    !is_ours && found.scope != "template"
}

/// What a file says it is; `None` where it says nothing, or is no file that could be asked. What cannot be read at this
/// moment is an error.
pub(super) fn stamp(
    path: &Path,
    whose: &Whose,
    wait: Duration,
) -> Result<Option<Identity>, ConnectError> {
    let unsafe_ = |reason: String| ConnectError::Unsafe {
        whose: whose.clone(),
        reason,
    };
    match lstat(path) {
        Ok(Some(found)) if found.is_file() && found.len() > 0 => {}
        Ok(_) => return Ok(None),
        Err(error) => return Err(unsafe_(error.to_string())),
    }
    // As it lies there: the WAL beside it may be that of the file it was swapped with, and would be replayed into it.
    let url = files::uri(path).map_err(|error| unsafe_(error.to_string()))?;
    let url = url.replace("?mode=rw", "?mode=ro&immutable=1");
    let read = connect::establish(&url, whose).and_then(|mut conn| {
        Identity::read(&mut conn).map_err(|error| connect::failed(error, whose))
    });
    match read {
        Ok(Some(found)) => return Ok(Some(found)),
        Ok(None) => {}
        Err(error) if error.is_lost() => {}
        Err(error) => return Err(error),
    }
    // Half of it may be in its WAL. One that is not safe to open is not opened.
    match files::check_database_file(path) {
        Ok(()) => {}
        Err(UnsafeFile::Io(error)) => return Err(unsafe_(error.to_string())),
        Err(_) => return Ok(None),
    }
    let read = connect::open_to_inspect(path, whose, wait).and_then(|mut conn| {
        Identity::read(&mut conn).map_err(|error| connect::failed(error, whose))
    });
    match read {
        Ok(found) => Ok(found),
        Err(error) if error.is_lost() => Ok(None),
        Err(error) => Err(error),
    }
}
