//! Files that are not what they should be: each is refused by name, and nothing is created or changed.
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel_tenants::OpenError;
use diesel_tenants::backend::ConnectError;
use diesel_tenants::error::LifecycleError;
use diesel_tenants::prelude::*;

use crate::app::{Fleet, admit, builder, fleet, names};

pub(crate) mod freelist;

/// A fleet of two tenants with rows, which nobody has open any more.
pub(crate) fn two() -> (Fleet, PathBuf, PathBuf) {
    let fleet = fleet();
    let (a, b) = (fleet.create("A1"), fleet.create("B1"));
    admit(&mut a.enter().unwrap(), "a").unwrap();
    admit(&mut b.enter().unwrap(), "b").unwrap();
    for id in ["A1", "B1"] {
        // Closes the connections, and with the last one the WAL goes.
        fleet.tenancy.suspend(&id.parse().unwrap()).unwrap();
        fleet.tenancy.resume(&id.parse().unwrap()).unwrap();
    }
    let files = (fleet.file(&a, 1), fleet.file(&b, 1));
    assert!(fs::read_dir(files.0.parent().unwrap()).unwrap().count() == 1);
    (fleet, files.0, files.1)
}

fn refused(fleet: &Fleet, id: &str) -> (ConnectError, String) {
    match fleet.tenancy.tenant(&id.parse().unwrap()) {
        Err(OpenError::Connect(error)) => {
            let text = error.to_string();
            (error, text)
        }
        other => panic!("{other:?}"),
    }
}

fn listing(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().display().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn a_missing_file_is_not_made_anew() {
    let (fleet, a, _) = two();
    fs::remove_file(&a).unwrap();
    let (error, text) = refused(&fleet, "A1");
    assert!(matches!(error, ConnectError::Missing { .. }));
    assert_eq!(
        text,
        "the database of tenant `A1` is missing; restore it from a backup, nothing was created in its place"
    );
    assert!(listing(&a).is_empty());
}

#[test]
fn an_empty_file_is_not_an_empty_tenant() {
    let (fleet, a, _) = two();
    fs::write(&a, "").unwrap();
    let (error, _) = refused(&fleet, "A1");
    assert!(matches!(error, ConnectError::Empty { .. }), "{error:?}");
    assert_eq!(fs::metadata(&a).unwrap().len(), 0);
}

#[test]
fn a_file_cut_short_is_damaged() {
    let (fleet, a, _) = two();
    let whole = fs::read(&a).unwrap();
    for length in [1, 99, 100, 511, 512, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(&a, &whole[..length]).unwrap();
        let (error, _) = refused(&fleet, "A1");
        assert!(
            matches!(error, ConnectError::Damaged { .. }),
            "{length}: {error:?}"
        );
        assert_eq!(fs::metadata(&a).unwrap().len() as usize, length);
        assert_eq!(listing(&a), ["g1.sqlite3"], "{length}");
    }
    fs::write(&a, &whole).unwrap();
    assert_eq!(
        names(&mut fleet.tenancy.tenant(&"A1".parse().unwrap()).unwrap()),
        ["a"]
    );
}

#[test]
fn swapped_files_are_both_refused() {
    let (fleet, a, b) = two();
    let aside = a.with_extension("aside");
    fs::rename(&a, &aside).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&aside, &b).unwrap();
    let (error, text) = refused(&fleet, "A1");
    assert!(matches!(error, ConnectError::Foreign { .. }));
    assert_eq!(
        text,
        "the database of tenant `A1` is really that of tenant `B1`, generation 1; put the files back where they \
         belong"
    );
    assert!(matches!(
        refused(&fleet, "B1").0,
        ConnectError::Foreign { .. }
    ));
}

#[test]
fn a_database_of_another_program_is_refused() {
    let (fleet, a, _) = two();
    fs::remove_file(&a).unwrap();
    let mut foreign = SqliteConnection::establish(a.to_str().unwrap()).unwrap();
    foreign
        .batch_execute("CREATE TABLE patients (id INTEGER PRIMARY KEY)")
        .unwrap();
    drop(foreign);
    fs::set_permissions(&a, fs::Permissions::from_mode(0o600)).unwrap();
    let (error, text) = refused(&fleet, "A1");
    assert!(matches!(error, ConnectError::Unstamped { .. }));
    assert_eq!(
        text,
        "the database of tenant `A1` carries no identity: it was not made by this library"
    );
}

#[test]
fn a_database_of_another_catalogue_is_refused() {
    let (fleet, a, _) = two();
    let (_other, theirs, _) = two();
    fs::copy(&theirs, &a).unwrap();
    let (error, text) = refused(&fleet, "A1");
    assert!(matches!(error, ConnectError::Foreign { .. }));
    assert!(text.contains("of another catalogue"), "{text}");
}

#[test]
fn links_directories_and_pipes_are_refused() {
    let (fleet, a, b) = two();
    let whole = fs::read(&a).unwrap();
    let mut texts = Vec::new();
    let mut refuse = |what: &str| {
        let (error, text) = refused(&fleet, "A1");
        assert!(
            matches!(error, ConnectError::Unsafe { .. }),
            "{what}: {error:?}"
        );
        texts.push(text);
    };
    // Through plain SQLite a link serves the other tenant's rows.
    fs::remove_file(&a).unwrap();
    symlink(&b, &a).unwrap();
    refuse("symlink");
    fs::remove_file(&a).unwrap();
    fs::hard_link(&b, &a).unwrap();
    refuse("hard link");
    fs::remove_file(&a).unwrap();
    fs::create_dir(&a).unwrap();
    refuse("directory");
    fs::remove_dir(&a).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &a, rustix::fs::Mode::RUSR).unwrap();
    refuse("FIFO, without waiting for somebody to write into it");
    fs::remove_file(&a).unwrap();
    fs::write(&a, &whole).unwrap();
    fs::set_permissions(&a, fs::Permissions::from_mode(0o644)).unwrap();
    refuse("readable by others");
    texts.dedup();
    assert_eq!(texts.len(), 5, "{texts:#?}");
}

#[test]
fn garbage_is_not_a_database() {
    let (fleet, a, _) = two();
    fs::write(&a, "x".repeat(8192)).unwrap();
    let (error, _) = refused(&fleet, "A1");
    assert!(matches!(error, ConnectError::Damaged { .. }), "{error:?}");
}

/// A leftover `-wal` beside a new file of the same name is replayed into it by SQLite, `integrity_check` says ok, and
/// the new tenant has the rows of the old one.
#[test]
fn a_stale_wal_beside_a_fresh_path_is_refused() {
    let (fleet, a, b) = two();
    let directory = a.parent().unwrap();
    // What may stand there: something else under each of the four names, or another tenant's whole database.
    let theirs = fs::read(&b).unwrap();
    let planted: [(&str, &[u8]); 5] = [
        ("", b"stale"),
        ("", &theirs),
        ("-wal", b"stale"),
        ("-shm", b"stale"),
        ("-journal", b"stale"),
    ];
    // Each attempt takes the next number, those that failed included.
    let mut number = 2;
    for (suffix, bytes) in planted {
        let planted = directory.join(format!("g{number}.sqlite3{suffix}"));
        fs::write(&planted, bytes).unwrap();
        fs::set_permissions(&planted, fs::Permissions::from_mode(0o600)).unwrap();
        let compacted = fleet.tenancy.compact(&"A1".parse().unwrap());
        match suffix {
            // It could be newer than what the catalogue names. No number is taken, and it is somebody's to move away.
            "" => {
                let refused = compacted.unwrap_err();
                let newer = matches!(refused, LifecycleError::NewerGeneration { .. });
                assert!(newer, "{refused:?}");
                assert!(fs::read(&planted).unwrap() == bytes, "{suffix}");
                fs::remove_file(&planted).unwrap();
                continue;
            }
            _ => {
                let text = format!("{:?}", compacted.unwrap_err());
                assert!(text.contains("PathNotFresh"), "{text}");
            }
        }
        // It is not ours, so it is not ours to remove: the attempt is undone around it.
        assert!(fs::read(&planted).unwrap() == bytes, "{suffix}");
        fs::remove_file(&planted).unwrap();
        let recovered = fleet.again();
        assert_eq!(
            names(&mut recovered.tenant(&"A1".parse().unwrap()).unwrap()),
            ["a"]
        );
        number += 1;
    }
}

#[test]
fn a_lost_shared_database_is_not_replaced_by_an_empty_one() {
    let (fleet, _, _) = two();
    let (root, _dir) = fleet.close();
    let shared = root.join("shared.sqlite3");
    let bytes = fs::read(&shared).unwrap();
    let open = || {
        diesel_tenants::Tenancy::builder(&crate::app::ROUTES)
            .sqlite(&root)
            .shared_migrations(crate::app::shared_migrations())
            .tenant_migrations(crate::app::tenant_migrations())
            .open()
    };
    fs::remove_file(&shared).unwrap();
    let error = format!("{:?}", open().unwrap_err());
    assert!(error.contains("Missing"), "{error}");
    assert!(!shared.exists());
    fs::write(&shared, "").unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o600)).unwrap();
    let error = format!("{:?}", open().unwrap_err());
    assert!(error.contains("Empty"), "{error}");
    // Even `init` does not: there are tenants that belong to the lost one.
    fs::remove_file(&shared).unwrap();
    let error = format!("{:?}", builder(&root).open().unwrap_err());
    assert!(error.contains("SharedLost"), "{error}");
    assert!(!shared.exists());
    fs::write(&shared, bytes).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o600)).unwrap();
    open().unwrap();
}

#[test]
fn everything_is_private_to_the_user() {
    let (fleet, a, _) = two();
    let _open = fleet.tenancy.tenant(&"A1".parse().unwrap()).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&fleet.root), 0o700);
    assert_eq!(mode(a.parent().unwrap()), 0o700);
    for file in listing(&a) {
        assert_eq!(mode(&a.with_file_name(&file)), 0o600, "{file}");
    }
    for file in ["shared.sqlite3", "shared.sqlite3-wal"] {
        assert_eq!(mode(&fleet.root.join(file)), 0o600, "{file}");
    }
}
