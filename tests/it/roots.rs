//! Data directories: which are taken, which are refused and how, and that any name works.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_tenants::backend::sqlite::files::{self, FileKind};
use diesel_tenants::backend::sqlite::root::{
    BackupDirError, FoundInstead, InvalidRoot, LONGEST_ROOT, Root, RootError,
};
use proptest::prelude::*;
use uuid::Uuid;

fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().canonicalize().unwrap();
    (home, path)
}

fn directory(path: &Path, mode: u32) {
    std::fs::create_dir(path).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// Opens a database through Diesel, writes to it, and returns the path SQLite itself has for it.
fn path_in_sqlite(path: &Path) -> PathBuf {
    #[derive(QueryableByName)]
    struct Listed {
        // As hexadecimal digits: a path need not be UTF-8.
        #[diesel(sql_type = Text)]
        file: String,
    }
    let mut connection = SqliteConnection::establish(&files::uri(path).unwrap()).unwrap();
    diesel::sql_query("CREATE TABLE t (x)")
        .execute(&mut connection)
        .unwrap();
    let listed = diesel::sql_query("SELECT hex(file) AS file FROM pragma_database_list")
        .get_result::<Listed>(&mut connection)
        .unwrap();
    let digits = listed.file.as_bytes().chunks(2);
    let bytes =
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    OsString::from_vec(bytes.collect()).into()
}

#[test]
fn a_missing_root_is_refused_and_not_created() {
    let (_home, home) = home();
    let path = home.join("data");
    let error = Root::open(&path).unwrap_err();
    assert!(matches!(error, RootError::RootMissing { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        format!("data directory {path:?} does not exist; create it, or open it with `init`")
    );
    assert!(!path.exists());
}

#[test]
fn init_makes_the_layout_closed_to_others_and_open_takes_it() {
    let (_home, home) = home();
    let path = home.join("srv/app/data");
    let root = Root::init(&path).unwrap();
    assert_eq!(root.path(), path);
    assert_eq!(mode(&path), 0o700);
    let directories = [
        root.tenants(),
        root.templates(),
        root.instances(),
        root.locks(),
        root.backups(),
    ];
    for directory in directories {
        assert_eq!(mode(&directory), 0o700, "{directory:?}");
    }
    // The parents belong to the system, not to us: the default mode, whatever the umask makes of it.
    std::fs::create_dir(home.join("by-hand")).unwrap();
    assert_eq!(mode(&home.join("srv")), mode(&home.join("by-hand")));

    assert_eq!(Root::open(&path).unwrap(), root);
    assert_eq!(Root::init(&path).unwrap(), root);
}

#[test]
fn a_directory_made_by_hand_is_completed() {
    let (_home, home) = home();
    let path = home.join("data");
    directory(&path, 0o700);
    let root = Root::open(&path).unwrap();
    assert!(root.tenants().is_dir() && root.locks().is_dir());
}

#[test]
fn what_is_not_a_directory_is_refused() {
    let (_home, home) = home();
    let at = |name: &str| home.join(name);
    std::fs::write(at("file"), "").unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    symlink("circle", at("circle")).unwrap();
    symlink("file", at("link-to-file")).unwrap();
    fifo(&at("fifo"));
    let cases = [
        (at("file"), FoundInstead::Kind(FileKind::Regular)),
        (at("file/"), FoundInstead::Kind(FileKind::Regular)),
        (at("link-to-file"), FoundInstead::Kind(FileKind::Regular)),
        (at("fifo"), FoundInstead::Kind(FileKind::Fifo)),
        ("/dev/null".into(), FoundInstead::Kind(FileKind::Device)),
        (at("dangling"), FoundInstead::DanglingLink),
        (at("dangling/"), FoundInstead::DanglingLink),
        (at("circle"), FoundInstead::DanglingLink),
        (at("file/data"), FoundInstead::ParentNotDirectory),
    ];
    for (path, wanted) in cases {
        for opened in [Root::open(&path), Root::init(&path)] {
            match opened {
                Err(RootError::RootNotDirectory { found, .. }) => assert_eq!(found, wanted),
                other => panic!("{path:?}: {other:?}"),
            }
        }
    }
    assert!(!at("nowhere").exists(), "a dangling link was filled");
}

#[test]
fn a_link_is_followed_once_and_turning_it_moves_nobody() {
    let (_home, home) = home();
    directory(&home.join("disk1"), 0o700);
    directory(&home.join("disk2"), 0o700);
    let link = home.join("data");
    symlink("disk1", &link).unwrap();
    let root = Root::open(&link).unwrap();
    assert_eq!(root.path(), home.join("disk1"));

    std::fs::remove_file(&link).unwrap();
    symlink("disk2", &link).unwrap();
    assert_eq!(root.shared(), home.join("disk1/shared.sqlite3"));
}

#[test]
fn a_root_with_other_than_mode_0700_is_refused_and_left_as_it_is() {
    for wrong in [0o777, 0o755, 0o710, 0o701, 0o704, 0o500, 0o600] {
        let (_home, home) = home();
        let path = home.join("data");
        directory(&path, wrong);
        for opened in [Root::open(&path), Root::init(&path)] {
            let error = opened.unwrap_err();
            assert!(
                matches!(error, RootError::RootUnsafe { mode, .. } if mode == wrong),
                "{error}"
            );
            let text = error.to_string();
            assert!(
                text.contains(&format!("mode {wrong:04o}")) && text.contains("need mode 0700"),
                "{text}"
            );
        }
        assert_eq!(mode(&path), wrong);
        assert_eq!(std::fs::read_dir(&path).map_or(0, Iterator::count), 0);
    }
}

#[test]
fn a_root_of_another_user_is_refused() {
    let (_home, home) = home();
    let path = foreign(
        &home.join("data"),
        || directory(&home.join("data"), 0o700),
        "/usr",
    );
    let error = Root::open(&path).unwrap_err();
    assert!(
        matches!(error, RootError::RootUnsafe { owner, user, .. } if owner != user),
        "{error}"
    );
}

#[test]
fn the_directories_of_the_layout_are_checked_too() {
    let (_home, home) = home();
    let path = home.join("data");
    let root = Root::init(&path).unwrap();

    std::fs::set_permissions(root.tenants(), PermissionsExt::from_mode(0o755)).unwrap();
    let error = Root::open(&path).unwrap_err();
    assert!(
        matches!(error, RootError::RootUnsafe { ref path, .. } if *path == root.tenants()),
        "{error}"
    );

    std::fs::remove_dir(root.tenants()).unwrap();
    directory(&home.join("elsewhere"), 0o700);
    symlink(home.join("elsewhere"), root.tenants()).unwrap();
    let error = Root::open(&path).unwrap_err();
    let link = FoundInstead::Kind(FileKind::Symlink);
    assert!(
        matches!(error, RootError::RootNotDirectory { found, .. } if found == link),
        "{error}"
    );
}

#[test]
fn paths_that_cannot_be_a_root_are_refused() {
    let (_home, home) = home();
    symlink("/", home.join("to-root")).unwrap();
    let cases: [(PathBuf, InvalidRoot); 9] = [
        ("".into(), InvalidRoot::Empty),
        ("/".into(), InvalidRoot::FileSystemRoot),
        ("//".into(), InvalidRoot::FileSystemRoot),
        ("/..".into(), InvalidRoot::FileSystemRoot),
        (home.join("to-root"), InvalidRoot::FileSystemRoot),
        ("..".into(), InvalidRoot::ClimbsOut),
        ("../data".into(), InvalidRoot::ClimbsOut),
        ("./data/../../x".into(), InvalidRoot::ClimbsOut),
        (OsStr::from_bytes(b"/srv/a\0b").into(), InvalidRoot::NulByte),
    ];
    for (path, wanted) in cases {
        for opened in [Root::open(&path), Root::init(&path)] {
            match opened {
                Err(RootError::RootInvalid { reason, .. }) => {
                    assert_eq!(reason, wanted, "{path:?}")
                }
                other => panic!("{path:?}: {other:?}"),
            }
        }
    }
}

/// A path below `home` with exactly `length` bytes; its parents exist.
fn path_of_length(home: &Path, length: usize) -> PathBuf {
    let mut path = home.to_owned();
    loop {
        let left = length - path.as_os_str().len() - 1;
        if left <= 200 {
            return path.join("x".repeat(left));
        }
        path.push("p".repeat(100));
        std::fs::create_dir_all(&path).unwrap();
    }
}

#[test]
fn the_longest_root_holds_the_longest_database_and_one_byte_more_is_refused() {
    let (_home, home) = home();
    let root = Root::init(path_of_length(&home, LONGEST_ROOT)).unwrap();
    let uuid = Uuid::now_v7();
    let id = "x".repeat(32);
    let longest = [
        root.tenant(&id, uuid, u64::MAX).unwrap(),
        files::staging_beside(&root.tenant(&id, uuid, u64::MAX).unwrap()),
        files::staging_beside(&root.template(&[0; 32])),
    ];
    std::fs::create_dir(root.tenant_directory(&id, uuid).unwrap()).unwrap();
    for path in &longest {
        files::create_exclusive(path).unwrap();
        assert_eq!(path_in_sqlite(path), *path);
    }
    let length = longest
        .map(|path| path.as_os_str().len())
        .into_iter()
        .max()
        .unwrap();
    assert_eq!(length, files::LONGEST_DATABASE_PATH);

    let path = path_of_length(&home, LONGEST_ROOT + 1);
    let error = Root::init(&path).unwrap_err();
    assert!(
        matches!(error, RootError::PathTooLong { length, .. } if length == LONGEST_ROOT + 1),
        "{error}"
    );
    assert!(!path.exists());
    directory(&path, 0o700);
    assert!(matches!(
        Root::open(&path),
        Err(RootError::PathTooLong { .. })
    ));
}

#[test]
fn paths_beyond_the_limits_of_the_system_are_too_long_as_well() {
    for path in [
        "/x".repeat(2500),
        format!("/{}", "x".repeat(256)),
        "x".repeat(5000),
    ] {
        for opened in [Root::open(&path), Root::init(&path)] {
            let error = opened.unwrap_err();
            assert!(matches!(error, RootError::PathTooLong { .. }), "{error}");
            assert!(error.to_string().len() < 600, "{error}");
        }
    }
}

/// Names that a shell, a URI or a log would read as something else.
const ODD_NAMES: [&[u8]; 14] = [
    b"new\nline",
    b"'single' \"double\"",
    b"50% off",
    b"%2e%2e",
    b"%00",
    b"what?mode=memory",
    b"#fragment",
    b"two  spaces ",
    b"a&b=c;d",
    b":memory:",
    b"file:x",
    b"back\\slash",
    "Krankenhaus Süd 医院".as_bytes(),
    b"not \xff\xfe utf-8",
];

#[test]
fn a_root_may_have_any_name() {
    for name in ODD_NAMES {
        let (_home, home) = home();
        let root = Root::init(home.join(OsStr::from_bytes(name))).unwrap();
        let path = root.shared();
        files::create_exclusive(&path).unwrap();
        assert_eq!(path_in_sqlite(&path), path);
        // The table is in this very file.
        files::check_database_file(&path).unwrap();
    }
}

#[test]
fn errors_about_odd_names_are_one_printable_line() {
    let (_home, home) = home();
    let text = Root::open(home.join("a\nERROR: all is lost\u{1b}[31m"))
        .unwrap_err()
        .to_string();
    assert!(!text.contains(char::is_control), "{text:?}");
}

#[test]
fn a_backup_directory_inside_the_root_is_refused() {
    let (_home, home) = home();
    let root = Root::init(home.join("data")).unwrap();
    directory(&home.join("outside"), 0o700);
    symlink(root.tenants(), home.join("outside/way-in")).unwrap();
    let refused = [
        root.path().to_owned(),
        root.tenants(),
        root.path().join("my-backups"),
        root.path().join("not/yet/there"),
        root.path().join("backups/.."),
        root.path().join("backups/../mine"),
        home.join("outside/way-in"),
        home.join("outside/way-in/x"),
        home.join("outside/../data/x"),
    ];
    for dir in refused {
        let error = root.check_outside(&dir).unwrap_err();
        assert!(
            matches!(error, BackupDirError::BackupDirInsideRoot { .. }),
            "{dir:?}: {error}"
        );
        assert!(error.to_string().contains("choose one outside"));
    }
    let taken = [
        home.join("outside"),
        home.join("data-backups"),
        root.backups(),
        root.backups().join("x"),
    ];
    for dir in taken {
        root.check_outside(&dir).unwrap();
    }
    // Where these lead is not known before somebody makes the missing part.
    symlink("nowhere", home.join("dangling")).unwrap();
    for dir in [home.join("dangling/x"), home.join("missing/../data/x")] {
        let error = root.check_outside(&dir).unwrap_err();
        assert!(matches!(error, BackupDirError::Io(_)), "{dir:?}: {error}");
    }
}

#[test]
fn names_below_the_root_are_made_of_checked_parts() {
    let (_home, home) = home();
    let root = Root::init(home.join("data")).unwrap();
    let uuid: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    let path = root.tenant("th001", uuid, 7).unwrap();
    assert_eq!(path, home.join("data/tenants/th001-099a8057/g7.sqlite3"));
    let mut digest = [0; 32];
    digest[31] = 0xab;
    let path = root.template(&digest);
    assert_eq!(
        path,
        root.templates()
            .join(format!("{}ab.sqlite3", "00".repeat(31)))
    );

    let long = "x".repeat(33);
    for id in [
        "", ".", "..", "../x", "a/b", "TH001", "1a", "-a", "a.b", "a b", "a\0", "é", &long,
    ] {
        assert!(root.tenant(id, uuid, 1).is_err(), "{id:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Whatever bytes a path has, SQLite opens that path and no other.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_uri_leads_sqlite_to_the_same_path(names in prop::collection::vec(name(), 1..4)) {
        let (_home, home) = home();
        let mut path = home;
        for name in names {
            std::fs::create_dir_all(&path).unwrap();
            path.push(OsString::from_vec(name));
        }
        files::create_exclusive(&path).unwrap();
        prop_assert_eq!(path_in_sqlite(&path), path.clone());
        files::check_database_file(&path).unwrap();
    }

    #[test]
    fn the_database_of_any_folded_id_is_below_the_root(
        id in "[a-z][a-z0-9_-]{0,31}",
        uuid in any::<u128>(),
        generation in any::<u64>(),
    ) {
        let (root, uuid) = (shared_root(), Uuid::from_u128(uuid));
        let path = root.tenant(&id, uuid, generation).unwrap();
        let below = path.strip_prefix(root.tenants()).unwrap();
        prop_assert_eq!(below.components().count(), 2);
        prop_assert!(!below.to_str().unwrap().contains(".."));
        let directory = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let digits = &uuid.simple().to_string()[24..];
        prop_assert_eq!(directory, format!("{id}-{digits}"));
    }

    #[test]
    fn any_other_text_is_refused_or_stays_below_the_root(id in any::<String>(), uuid in any::<u128>()) {
        let root = shared_root();
        if let Ok(path) = root.tenant(&id, Uuid::from_u128(uuid), 1) {
            let below = path.strip_prefix(root.tenants()).unwrap();
            prop_assert_eq!(below.components().count(), 2);
        }
    }
}

fn shared_root() -> &'static Root {
    static ROOT: std::sync::OnceLock<(tempfile::TempDir, Root)> = std::sync::OnceLock::new();
    let (_home, root) = ROOT.get_or_init(|| {
        let home = tempfile::tempdir().unwrap();
        let root = Root::init(home.path().join("data")).unwrap();
        (home, root)
    });
    root
}

/// A file name: any bytes, those with a meaning somewhere more often.
#[cfg(target_os = "linux")]
fn name() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::sample::select(b"%?#&=;:.'\"\\ \n0123456789abcdefABCDEF".to_vec());
    let byte = prop_oneof![odd, 1_u8..=255].prop_filter("a separator", |byte| *byte != b'/');
    prop::collection::vec(byte, 1..50).prop_filter("no name", |name| name != b"." && name != b"..")
}

/// Makes a FIFO.
pub(crate) fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// Something that belongs to another user: `path`, made and given away by root; for others, something of root's.
pub(crate) fn foreign(path: &Path, make: impl FnOnce(), of_root: &str) -> PathBuf {
    if !rustix::process::geteuid().is_root() {
        return of_root.into();
    }
    make();
    std::os::unix::fs::chown(path, Some(65534), None).unwrap();
    path.to_owned()
}

#[test]
fn a_directory_that_exists_is_not_made_again() {
    let (_home, home) = home();
    let path = home.join("tenant");
    std::fs::DirBuilder::new()
        .mode(0o750)
        .create(&path)
        .unwrap();
    files::create_directory(&path).unwrap();
    assert_eq!(mode(&path), 0o750);
    files::create_directory(&home.join("new")).unwrap();
    assert_eq!(mode(&home.join("new")), 0o700);
}
