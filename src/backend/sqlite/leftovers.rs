//! What lies in the directories of tenants, by name. Nothing is opened.
use std::path::Path;

use super::files::{FileAction, FileError, SIDE_SUFFIXES, remove_name, sync_dir};
use crate::verify::Leftovers;

/// The names in a directory; none where it is missing.
pub(super) fn names(directory: &Path) -> Result<Vec<String>, FileError> {
    let list = |error| FileError::new(FileAction::List, directory, error);
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(list(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(
            entry
                .map_err(list)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

/// The copy of a database that is being adopted.
pub(super) const ADOPTED: &str = ".source.sqlite3";

/// Numbers above this are none of ours: they would leave none to be handed out.
const HIGHEST: u64 = u32::MAX as u64;

/// The name of a generation's database.
pub(super) fn database(generation: u64) -> String {
    format!("g{generation}.sqlite3")
}

/// The numbers of the databases in a tenant's directory.
pub(super) fn numbers(directory: &Path) -> Result<Vec<u64>, FileError> {
    let names = names(directory)?;
    let numbers = names.iter().filter_map(|name| match Entry::of(name) {
        Entry::Database(number) => Some(number),
        _ => None,
    });
    Ok(numbers.collect())
}

/// The highest of them; 0 where there is none.
pub(super) fn highest(directory: &Path) -> Result<u64, FileError> {
    Ok(numbers(directory)?.into_iter().max().unwrap_or_default())
}

/// What stands under a staging name in a tenant's directory.
pub(super) fn staged(directory: &Path) -> Result<Vec<String>, FileError> {
    let mut names = names(directory)?;
    names.retain(|name| Entry::of(name) == Entry::Staging);
    Ok(names)
}

/// Removes it, and returns the names once that is on the disk.
pub(super) fn remove_staged(directory: &Path) -> Result<Vec<String>, FileError> {
    let names = staged(directory)?;
    for name in &names {
        remove_name(&directory.join(name))?;
        crate::failpoint::hit("leftover.removed");
    }
    sync_dir(directory)?;
    Ok(names)
}

/// Something in a tenant's directory that the creation of the tenant as `generation` does not make.
pub(super) fn not_of_creation(
    directory: &Path,
    generation: u64,
) -> Result<Option<String>, FileError> {
    let is_of_creation = |name: &String| match Entry::of(name) {
        Entry::Database(number) | Entry::Side(number) | Entry::Journal(number) => {
            number == generation
        }
        Entry::Staging => true,
        Entry::Unknown => false,
    };
    let mut names = names(directory)?.into_iter();
    Ok(names.find(|name| !is_of_creation(name)))
}

/// What lies in a tenant's directory besides `generation` and those that are `kept`.
pub(super) fn beside(
    directory: &Path,
    generation: u64,
    kept: &[u64],
) -> Result<Leftovers, FileError> {
    let names = names(directory)?;
    let is_known = |number: u64| number == generation || kept.contains(&number);
    let is_there = |number: u64| names.contains(&database(number));
    let mut leftovers = Leftovers {
        lost: kept
            .iter()
            .copied()
            .filter(|number| !is_there(*number))
            .collect(),
        ..Leftovers::default()
    };
    for name in &names {
        match Entry::of(name) {
            Entry::Database(number) | Entry::Side(number)
                if is_known(number) && is_there(number) => {}
            Entry::Journal(number) if number == generation => {
                leftovers.journal = Some(name.clone());
            }
            // Numbers only grow, and the catalogue names the newest: it is not the one these were made under.
            Entry::Database(number) if number > generation && !is_known(number) => {
                leftovers.newer.push(number);
            }
            // One that is neither in use nor kept was to be removed, if it is closed for good.
            Entry::Database(number) if !is_known(number) => {
                leftovers.older.push((number, name.clone()));
            }
            Entry::Side(number) | Entry::Journal(number)
                if number > generation && is_there(number) => {}
            Entry::Database(_) | Entry::Side(_) | Entry::Journal(_) | Entry::Staging => {
                leftovers.left.push(name.clone());
            }
            Entry::Unknown => leftovers.unknown.push(name.clone()),
        }
    }
    Ok(leftovers)
}

/// What a name in a tenant's directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// A generation's database.
    Database(u64),
    /// A file beside a generation's database.
    Side(u64),
    /// A rollback journal beside it.
    Journal(u64),
    /// What is being made, or was.
    Staging,
    Unknown,
}

impl Entry {
    pub(super) fn of(name: &str) -> Self {
        if name.starts_with(".new-") || name.starts_with(ADOPTED) {
            return Self::Staging;
        }
        let suffix = SIDE_SUFFIXES
            .into_iter()
            .find(|suffix| name.ends_with(suffix));
        let database = name
            .strip_suffix(suffix.unwrap_or_default())
            .unwrap_or(name);
        let number = database
            .strip_prefix('g')
            .and_then(|name| name.strip_suffix(".sqlite3"));
        // `g01` and `g+1` are no names of ours.
        let number = number.filter(|digits| !digits.starts_with(['0', '+']));
        let generation = number.and_then(|digits| digits.parse().ok());
        let Some(generation) = generation.filter(|generation| *generation <= HIGHEST) else {
            return Self::Unknown;
        };
        match suffix {
            None => Self::Database(generation),
            Some("-journal") => Self::Journal(generation),
            Some(_) => Self::Side(generation),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_for_what_it_is() {
        for (name, entry) in [
            ("g1.sqlite3", Entry::Database(1)),
            ("g12.sqlite3-wal", Entry::Side(12)),
            ("g1.sqlite3-shm", Entry::Side(1)),
            ("g1.sqlite3-journal", Entry::Journal(1)),
            (".new-g2.sqlite3", Entry::Staging),
            (".new-g2.sqlite3-wal", Entry::Staging),
            ("g01.sqlite3", Entry::Unknown),
            ("g+1.sqlite3", Entry::Unknown),
            ("g.sqlite3", Entry::Unknown),
            ("g1.sqlite3.bak", Entry::Unknown),
            ("g4294967295.sqlite3", Entry::Database(HIGHEST)),
            ("g4294967296.sqlite3", Entry::Unknown),
            ("g18446744073709551615.sqlite3", Entry::Unknown),
            ("notes.txt", Entry::Unknown),
        ] {
            assert_eq!(Entry::of(name), entry, "{name}");
        }
    }
}
