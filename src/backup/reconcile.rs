//! What a restored catalogue says of backups and sets, brought in line with those that are on the disk.
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::{BackupError, Backups, ListedBackup, ListedSet, read_manifest};
use crate::access::Principal;
use crate::backend::{Backend, BackupStorage, InvalidBackup};
use crate::catalog::backups::{BackupState, BackupsFound, BackupsOf, StoredBackup, StoredSet};
use crate::error::{CatalogError, withhold};

/// A directory of backups that can be read now.
struct Directory<C: Backend> {
    /// As in the catalogue: `None` for that of the data directory.
    path: Option<PathBuf>,
    /// The ids in its mark: none in that of an earlier build. `None` where it has no mark.
    marks: Option<Vec<Uuid>>,
    listed: Backups<C>,
}

impl<C: Backend> Directory<C> {
    fn mark(&self) -> Option<Uuid> {
        self.marks.as_ref()?.first().copied()
    }

    /// Whether it is the one that has `mark`, and not an empty place where its disk is not mounted now.
    fn is(&self, mark: Option<Uuid>) -> bool {
        let marks = self.marks.as_ref();
        marks.is_some_and(|marks| mark.is_none_or(|mark| marks.contains(&mark)))
    }
}

/// What was found of backups.
pub(crate) struct Reconciled {
    /// How many the catalogue had not known.
    pub(crate) unknown: usize,
    /// What is in the data directory's own directory and cannot be read. What the catalogue knows of it stays.
    pub(crate) damaged: Vec<InvalidBackup>,
}

/// Makes the backups and sets that are there those that the catalogue knows, all or none. `own` is the data directory's own directory of backups, `beside` that of the backup it was restored from,
/// where that is another one.
///
/// All directories that the catalogue knows of are looked into as well: what was put there since is not in it.
/// The backup it was restored from was still being made when it was copied: the next recovery would remove it.
pub(crate) fn reconcile<C: Backend>(
    conn: &mut C,
    own: &Path,
    beside: Option<PathBuf>,
    catalog: Uuid,
    by: &Principal,
) -> Result<Reconciled, BackupError> {
    let failed = |error| BackupError::Catalog(CatalogError::Query(withhold(error)));
    let good = conn.backup_list(BackupsOf::Everything).map_err(failed)?;
    let unfinished = conn.backup_unfinished().map_err(failed)?;
    let sets = conn.set_list().map_err(failed)?;
    let of_backups = good.iter().chain(&unfinished).map(|known| &known.directory);
    let named = of_backups.chain(sets.iter().map(|known| &known.directory));
    let named: BTreeSet<PathBuf> = named.flatten().cloned().collect();
    let mut directories = directories::<C>(own, catalog, named.into_iter().chain(beside))?;

    let known = good.iter().chain(&unfinished);
    let known: HashMap<Uuid, &StoredBackup> = known.map(|stored| (stored.id, stored)).collect();
    let mut found = BackupsFound::default();
    let (mut unknown, mut seen) = (0, HashSet::new());
    for directory in &directories {
        for backup in directory.listed.list() {
            let known = known.get(&backup.id).copied();
            let counts_or_goes = known.is_some_and(|known| known.state != BackupState::Making);
            // The same may have been carried to more than one place.
            if backup.catalog != catalog || counts_or_goes || !seen.insert(backup.id) {
                continue;
            }
            unknown += usize::from(known.is_none());
            let facts = read_manifest::<C>(&backup.path)?.facts();
            let mut stored = stored(backup, directory);
            stored.pinned = known.is_some_and(|known| known.pinned);
            found.adopted.push((stored, facts));
        }
        for set in directory.listed.sets() {
            if set.catalog == catalog {
                found.sets.push(stored_set(set, directory));
            }
        }
    }
    let names = C::Storage::backup_entries(own)?;
    // By name: of one whose manifest cannot be read, somebody has to know, or it is never removed.
    let is_named = |id: Uuid| {
        let end = format!("-{}", id.simple());
        let mut names = names.iter().filter_map(|path| path.file_name()?.to_str());
        names.any(|name| name.ends_with(&end))
    };
    // Elsewhere they may be on a disk that is not mounted now, and here as well, unless the mark says that it is.
    let directory = directories.swap_remove(0);
    let own = &directory.listed;
    let there: HashSet<Uuid> = own.list().iter().map(|backup| backup.id).collect();
    let is_own = |stored: &&StoredBackup| stored.directory.is_none() && directory.is(stored.mark);
    let gone = good.iter().filter(is_own);
    let gone = gone.filter(|stored| !there.contains(&stored.id) && !is_named(stored.id));
    found.gone = gone.map(|stored| stored.id).collect();
    let there: HashSet<Uuid> = own.sets().iter().map(|set| set.id).collect();
    let is_own = |stored: &&StoredSet| stored.directory.is_none() && directory.is(stored.mark);
    let gone = sets.iter().filter(is_own);
    let gone = gone.filter(|stored| !there.contains(&stored.id) && !is_named(stored.id));
    found.sets_gone = gone.map(|stored| stored.id).collect();
    conn.backups_reconcile(&found, by).map_err(failed)?;
    Ok(Reconciled {
        unknown,
        damaged: directory.listed.into_damaged(),
    })
}

/// The data directory's own, and of the others those that are there now.
fn directories<C: Backend>(
    own: &Path,
    catalog: Uuid,
    others: impl Iterator<Item = PathBuf>,
) -> Result<Vec<Directory<C>>, BackupError> {
    let mut directories = vec![Directory {
        path: None,
        marks: C::Storage::backup_marks_in(own, catalog)?,
        listed: Backups::at(own)?,
    }];
    for path in others {
        if let Ok(listed) = Backups::at(&path)
            && let Ok(marks) = C::Storage::backup_marks_in(&path, catalog)
        {
            let path = Some(path);
            directories.push(Directory {
                path,
                marks,
                listed,
            });
        }
    }
    Ok(directories)
}

fn stored<C: Backend>(backup: &ListedBackup, directory: &Directory<C>) -> StoredBackup {
    StoredBackup {
        id: backup.id,
        set: backup.set,
        tenant: backup.tenant,
        state: BackupState::Making,
        reason: backup.reason,
        instance: Uuid::nil(),
        directory: directory.path.clone(),
        mark: directory.mark(),
        began_at: backup.taken_at,
        pinned: false,
        facts: None,
    }
}

fn stored_set<C: Backend>(set: &ListedSet, directory: &Directory<C>) -> StoredSet {
    StoredSet {
        id: set.id,
        instance: Uuid::nil(),
        directory: directory.path.clone(),
        mark: directory.mark(),
        began_at: set.began_at,
        ended_at: Some(set.ended_at),
        complete: set.complete,
    }
}
