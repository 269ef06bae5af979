//! Database files as the operating system sees them: what is refused, and that nothing is ever replaced.

use std::error::Error;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel_tenants::backend::sqlite::files::{
    self, FileKind, SIDE_SUFFIXES, StageError, UnsafeFile, UnsafeReason, UriError,
};

use crate::child::Child;
use crate::roots::{fifo, foreign};

fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().canonicalize().unwrap();
    (home, path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    format!("{}{suffix}", path.to_str().unwrap()).into()
}

fn file(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// A database in WAL mode with one row in it.
fn database(path: &Path) -> SqliteConnection {
    files::create_exclusive(path).unwrap();
    let mut connection = open(path).unwrap();
    connection
        .batch_execute("PRAGMA journal_mode=WAL; CREATE TABLE t (x); INSERT INTO t VALUES (7)")
        .unwrap();
    connection
}

fn open(path: &Path) -> ConnectionResult<SqliteConnection> {
    SqliteConnection::establish(&files::uri(path).unwrap())
}

fn row(connection: &mut SqliteConnection) -> i32 {
    diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>(
        "(SELECT x FROM t)",
    ))
    .get_result(connection)
    .unwrap()
}

fn reason(path: &Path) -> UnsafeReason {
    match files::check_database_file(path) {
        Err(error @ UnsafeFile::UnsafePath { .. }) => {
            assert!(error.source().is_none());
            match error {
                UnsafeFile::UnsafePath { reason, .. } => reason,
                _ => unreachable!(),
            }
        }
        other => panic!("{path:?}: {other:?}"),
    }
}

#[test]
fn opening_never_creates() {
    let (_home, home) = home();
    let path = home.join("lost.sqlite3");
    assert!(open(&path).is_err());
    assert!(!path.exists());
}

#[test]
fn paths_that_sqlite_would_misread_have_no_uri() {
    assert!(matches!(
        files::uri("data/x".as_ref()),
        Err(UriError::NotAbsolute { .. })
    ));
    assert!(matches!(
        files::uri("".as_ref()),
        Err(UriError::NotAbsolute { .. })
    ));
    assert!(matches!(
        files::uri("/a\0b".as_ref()),
        Err(UriError::NulByte { .. })
    ));
    // Two slashes do not make a host of the first name.
    assert_eq!(
        files::uri("//a/b".as_ref()).unwrap(),
        "file:////a/b?mode=rw"
    );
}

/// The number is SQLite's; should it change, this says so.
#[test]
fn the_longest_path_is_the_longest_that_sqlite_opens() {
    let (_home, home) = home();
    let mut directory = home;
    while directory.as_os_str().len() < 300 {
        directory.push("d".repeat(40));
    }
    std::fs::create_dir_all(&directory).unwrap();
    let name = |length: usize| directory.join("x".repeat(length - directory.as_os_str().len() - 1));

    let longest = name(files::LONGEST_DATABASE_PATH);
    drop(database(&longest));

    let longer = name(files::LONGEST_DATABASE_PATH + 1);
    assert!(matches!(
        files::uri(&longer),
        Err(UriError::TooLong { length: 505, .. })
    ));
    files::create_exclusive(&longer).unwrap();
    let unchecked = format!("file://{}?mode=rw", longer.to_str().unwrap());
    assert!(SqliteConnection::establish(&unchecked).is_err());
}

#[test]
fn a_database_of_our_own_is_taken_while_it_is_open_too() {
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    let connection = database(&path);
    assert!(beside(&path, "-wal").exists() && beside(&path, "-shm").exists());
    files::check_database_file(&path).unwrap();
    drop(connection);
    files::check_database_file(&path).unwrap();
}

#[test]
fn missing_and_empty_files_are_told_apart() {
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    let missing = files::check_database_file(&path).unwrap_err();
    assert!(matches!(missing, UnsafeFile::Missing { .. }), "{missing}");
    files::create_exclusive(&path).unwrap();
    let empty = files::check_database_file(&path).unwrap_err();
    assert!(matches!(empty, UnsafeFile::Empty { .. }), "{empty}");
}

#[test]
fn what_is_not_a_file_of_our_own_is_refused() {
    let (_home, home) = home();
    let at = |name: &str| home.join(name);
    file(&at("real"), "x");
    symlink(at("real"), at("symlink")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    std::fs::create_dir(at("directory")).unwrap();
    std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    assert_eq!(
        reason(&at("symlink")),
        UnsafeReason::Kind(FileKind::Symlink)
    );
    assert_eq!(
        reason(&at("dangling")),
        UnsafeReason::Kind(FileKind::Symlink)
    );
    assert_eq!(
        reason(&at("directory")),
        UnsafeReason::Kind(FileKind::Directory)
    );
    assert_eq!(reason(&at("socket")), UnsafeReason::Kind(FileKind::Socket));
    assert_eq!(
        reason("/dev/null".as_ref()),
        UnsafeReason::Kind(FileKind::Device)
    );

    std::fs::hard_link(at("real"), at("second-name")).unwrap();
    assert_eq!(reason(&at("real")), UnsafeReason::HardLinks { links: 2 });
    assert_eq!(
        reason(&at("second-name")),
        UnsafeReason::HardLinks { links: 2 }
    );
}

/// Opening a FIFO waits for somebody to write to it, which may be never.
#[test]
fn a_fifo_is_refused_without_waiting() {
    let (_home, home) = home();
    let path = home.join("fifo");
    fifo(&path);
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let staging = path.with_file_name("staging");
        done.send((reason(&path), files::clone_closed(&path, &staging)))
            .unwrap();
    });
    let (reason, cloned) = result.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(reason, UnsafeReason::Kind(FileKind::Fifo));
    assert!(matches!(
        cloned,
        Err(StageError::Source(UnsafeFile::UnsafePath { .. }))
    ));
}

#[test]
fn a_file_open_to_others_is_refused() {
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    file(&path, "x");
    for mode in [0o644, 0o640, 0o606, 0o660, 0o601, 0o602] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        assert_eq!(reason(&path), UnsafeReason::Permissions { mode });
    }
    let error = files::check_database_file(&path).unwrap_err();
    assert!(
        error.to_string().ends_with("it has mode 0602, need 0600"),
        "{error}"
    );
}

#[test]
fn a_file_of_another_user_is_refused() {
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    let path = foreign(&path, || file(&path, "x"), "/etc/passwd");
    assert!(matches!(reason(&path), UnsafeReason::Owner { owner, user } if owner != user));
}

#[test]
fn files_beside_a_database_are_held_to_the_same_rules() {
    for suffix in SIDE_SUFFIXES {
        let (_home, home) = home();
        let path = home.join("g1.sqlite3");
        file(&path, "x");
        let side = beside(&path, suffix);
        file(&side, "");
        files::check_database_file(&path).unwrap();
        std::fs::remove_file(&side).unwrap();
        symlink("/dev/zero", &side).unwrap();
        let error = files::check_database_file(&path).unwrap_err();
        assert!(
            matches!(error, UnsafeFile::UnsafePath { ref path, .. } if *path == side),
            "{error}"
        );
    }
}

#[test]
fn a_new_database_is_closed_to_others_and_so_is_what_sqlite_puts_beside_it() {
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    let _connection = database(&path);
    for path in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")] {
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600, "{path:?}");
    }
}

/// Neither making nor copying nor publishing touches a path one of whose four names is taken.
#[test]
fn a_path_is_not_fresh_when_any_of_its_four_names_is_taken() {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let (_home, home) = home();
        let (path, source) = (home.join("g1.sqlite3"), home.join("source"));
        file(&source, "source");
        let taken = beside(&path, suffix);
        // Dangling, so that a check that follows links does not see it.
        symlink("nowhere", &taken).unwrap();
        let attempts = [
            files::create_exclusive(&path),
            files::clone_closed(&source, &path),
            files::publish(&source, &path),
        ];
        for attempt in attempts {
            match attempt {
                Err(StageError::PathNotFresh { found, .. }) => assert_eq!(found, taken),
                other => panic!("{suffix}: {other:?}"),
            }
        }
        assert!(taken.is_symlink() && source.exists() && !home.join("nowhere").exists());
    }
}

#[test]
fn a_copy_of_a_closed_database_is_a_database() {
    let (_home, home) = home();
    let (template, staging) = (home.join("template"), home.join("staging"));
    drop(database(&template));
    files::clone_closed(&template, &staging).unwrap();
    files::sync_file(&staging).unwrap();
    files::check_database_file(&staging).unwrap();
    assert_eq!(row(&mut open(&staging).unwrap()), 7);
    assert_eq!(row(&mut open(&template).unwrap()), 7);
}

/// Its last commits are in the `-wal`, which the copy would lack.
#[test]
fn an_open_database_is_neither_copied_nor_published() {
    let (_home, home) = home();
    let (source, path) = (home.join("source"), home.join("g1.sqlite3"));
    let mut connection = database(&source);
    for attempt in [
        files::clone_closed(&source, &path),
        files::publish(&source, &path),
    ] {
        match attempt {
            Err(StageError::NotClosed { found, .. }) => assert_eq!(found, beside(&source, "-wal")),
            other => panic!("{other:?}"),
        }
    }
    assert!(!path.exists());
    assert_eq!(row(&mut connection), 7);
}

#[test]
fn an_empty_or_missing_template_is_not_copied() {
    let (_home, home) = home();
    let (template, staging) = (home.join("template"), home.join("staging"));
    let missing = files::clone_closed(&template, &staging);
    assert!(matches!(
        missing,
        Err(StageError::Source(UnsafeFile::Missing { .. }))
    ));
    files::create_exclusive(&template).unwrap();
    let empty = files::clone_closed(&template, &staging);
    assert!(matches!(
        empty,
        Err(StageError::Source(UnsafeFile::Empty { .. }))
    ));
    assert!(!staging.exists());
}

#[test]
fn a_copy_that_fails_half_way_is_removed() {
    let (_home, home) = home();
    file(&home.join("template"), &"x".repeat(1 << 20));
    let mut child = Child::start_with_small_files("clone", &home);
    assert_eq!(
        child.hear(),
        format!("cannot copy to {:?}", home.join("staging"))
    );
    assert!(home.join("template").exists() && !home.join("staging").exists());
}

#[test]
fn publishing_moves_a_finished_database_to_its_name() {
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    let staging = files::staging_beside(&path);
    assert_eq!(staging.parent(), path.parent());
    assert_eq!(staging, files::staging_beside(&path));
    drop(database(&staging));
    files::sync_file(&staging).unwrap();
    files::publish(&staging, &path).unwrap();
    assert!(!staging.exists());
    files::check_database_file(&path).unwrap();
    assert_eq!(row(&mut open(&path).unwrap()), 7);
}

#[test]
fn publishing_into_another_directory_works() {
    let (_home, home) = home();
    let (staging, path) = (home.join("staging"), home.join("tenant/g1.sqlite3"));
    files::create_directory(path.parent().unwrap()).unwrap();
    file(&staging, "x");
    files::publish(&staging, &path).unwrap();
    assert!(!staging.exists() && path.exists());
}

#[test]
fn publishing_nothing_is_an_error() {
    let (_home, home) = home();
    let (staging, path) = (home.join("staging"), home.join("g1.sqlite3"));
    let error = files::publish(&staging, &path).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot publish {staging:?}"));
    assert!(error.source().is_some() && !path.exists());
}

/// Many race for one name: one gets it, nobody's file is replaced.
#[test]
fn one_of_many_publishers_wins() {
    const PUBLISHERS: usize = 8;
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    let barrier = std::sync::Barrier::new(PUBLISHERS);
    let publish = |number: usize| {
        let staging = path.with_file_name(format!("staging-{number}"));
        file(&staging, &number.to_string());
        barrier.wait();
        match files::publish(&staging, &path) {
            Ok(()) => true,
            Err(StageError::PathNotFresh { .. }) => false,
            Err(error) => panic!("{error}"),
        }
    };
    let won: Vec<bool> = std::thread::scope(|scope| {
        let publish = &publish;
        let start = |number| scope.spawn(move || publish(number));
        let threads: Vec<_> = (0..PUBLISHERS).map(start).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let winner: usize = std::fs::read_to_string(&path).unwrap().parse().unwrap();
    let only_winner: Vec<bool> = (0..PUBLISHERS).map(|number| number == winner).collect();
    assert_eq!(won, only_winner);
}

#[test]
fn removing_takes_all_four_names_and_may_be_repeated() {
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    let neighbour = home.join("g1.sqlite3-walnut");
    file(&neighbour, "x");
    // Every subset of the names is something a crash may leave.
    for left in 0..16 {
        for (bit, suffix) in ["", "-wal", "-shm", "-journal"].into_iter().enumerate() {
            if left & (1 << bit) != 0 {
                file(&beside(&path, suffix), "x");
            }
        }
        files::remove_database(&path).unwrap();
        files::remove_database(&path).unwrap();
        let left: Vec<_> = std::fs::read_dir(&home)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(left, [neighbour.as_path()]);
    }
    files::remove_database(&home.join("no-such-tenant/g1.sqlite3")).unwrap();
}

/// A database that has lost its `-wal` looks sound and lacks commits, so the database goes first.
#[test]
fn a_removal_cut_short_leaves_no_database_without_its_side_files() {
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    file(&path, "x");
    // A directory cannot be unlinked: the removal ends here, as in a crash.
    std::fs::create_dir(beside(&path, "-wal")).unwrap();
    file(&beside(&path, "-journal"), "x");
    let error = files::remove_database(&path).unwrap_err();
    assert_eq!(error.path, beside(&path, "-wal"));
    assert!(!path.exists() && beside(&path, "-journal").exists());

    std::fs::remove_dir(beside(&path, "-wal")).unwrap();
    files::remove_database(&path).unwrap();
    assert!(!beside(&path, "-journal").exists());
}

/// To sync a directory is the one step of these that takes a descriptor. So without one, each gets as far as its
/// first sync and says so: none reports success for a name that may not be on the disk, and the files beside a
/// database are not touched before its own name is gone for good.
#[test]
fn names_are_synced_before_success_is_reported() {
    let (_home, home) = home();
    let path = home.join("g1.sqlite3");
    for name in [&path, &beside(&path, "-wal"), &home.join("staging")] {
        file(name, "x");
    }
    let mut child = Child::start("work without descriptors", &home);
    for operation in ["create", "publish", "remove"] {
        assert_eq!(child.hear(), "true", "{operation}");
    }
    assert!(home.join("new").is_dir() && home.join("g2.sqlite3").exists());
    assert!(!path.exists() && beside(&path, "-wal").exists());
}

#[test]
fn removing_does_not_follow_links() {
    let (_home, home) = home();
    let (path, other) = (home.join("g1.sqlite3"), home.join("other-tenant"));
    file(&other, "x");
    symlink(&other, &path).unwrap();
    files::remove_database(&path).unwrap();
    assert!(other.exists() && !path.is_symlink());

    let (theirs, link) = (home.join("theirs"), home.join("link"));
    std::fs::create_dir(&theirs).unwrap();
    file(&theirs.join("g1.sqlite3"), "x");
    symlink(&theirs, &link).unwrap();
    assert!(files::remove_directory(&link).is_err());
    assert!(theirs.join("g1.sqlite3").exists());
}

#[test]
fn syncing_what_is_not_there_is_an_error() {
    let (_home, home) = home();
    assert!(files::sync_file(&home.join("x")).is_err());
    assert!(files::sync_dir(&home.join("x")).is_err());
    file(&home.join("file"), "x");
    symlink("file", home.join("link")).unwrap();
    assert!(files::sync_file(&home.join("link")).is_err());
    assert!(files::sync_dir(&home.join("file")).is_err());
}

/// Two processes clear up after the same dead one.
#[test]
fn a_directory_may_be_removed_by_two_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().join("tenant");
    for _ in 0..500 {
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("g1.sqlite3"), "x").unwrap();
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let remove = || {
                start.wait();
                files::remove_directory(&directory)
            };
            let other = scope.spawn(remove);
            remove().unwrap();
            other.join().unwrap().unwrap();
        });
        assert!(!directory.exists());
    }
}
