//! Backups that are not what they should be: each is refused by name, before the tenant is touched.
use super::formats::rebuilt;
use super::*;
use sha2::{Digest, Sha256};

/// Tries to restore, sees that nothing has happened to the tenant, and returns why.
fn refused(fleet: &Fleet, backup: &BackupRef) -> RestoreError {
    refused_with(fleet, backup, &confirmed())
}

fn refused_with(fleet: &Fleet, backup: &BackupRef, options: &RestoreOptions) -> RestoreError {
    let error = fleet.tenancy.restore(&id(), backup, options).unwrap_err();
    let tenant = fleet.tenancy.handle(&id()).unwrap();
    let record = tenant.record().unwrap();
    assert_eq!(
        (record.status, record.generation),
        (Status::Active, 1),
        "{error}"
    );
    admit(&mut tenant.enter().unwrap(), "still writable").unwrap();
    error
}

pub(super) fn invalid(fleet: &Fleet, backup: &BackupRecord) -> (String, String) {
    let by_path = BackupRef::path(&backup.path);
    let error = refused(fleet, &by_path);
    let found = error
        .invalid_backup()
        .unwrap_or_else(|| panic!("{error:?}"));
    let name = format!("{found:?}");
    let name = name.split([' ', '{']).next().unwrap().to_owned();
    // Verifying says the same.
    let verified = fleet.tenancy.verify_backup(&by_path).unwrap_err();
    assert_eq!(verified.to_string(), error.to_string());
    (name, error.to_string())
}

/// Writes a manifest that fits the database, as somebody would who wants it to be taken.
pub(super) fn forge(backup: &Path, change: impl FnOnce(&str) -> String) {
    let file = backup.join("manifest.json");
    let text = fs::read_to_string(&file).unwrap();
    let start = text.find("\"manifest\":").unwrap() + "\"manifest\":".len();
    let manifest = change(text[start..].trim_end().strip_suffix('}').unwrap());
    let told: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let database = fs::read(backup.join("db.sqlite3")).unwrap();
    let (bytes, hash) = (told["bytes"].to_string(), told["sha256"].as_str().unwrap());
    let manifest = manifest
        .replace(
            &format!("\"bytes\":{bytes}"),
            &format!("\"bytes\":{}", database.len()),
        )
        .replace(hash, &hex(&Sha256::digest(&database)));
    let sum = hex(&Sha256::digest(manifest.as_bytes()));
    fs::write(
        file,
        format!("{{\"format\":1,\"sha256\":\"{sum}\",\"manifest\":{manifest}}}\n"),
    )
    .unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn database(backup: &BackupRecord) -> PathBuf {
    backup.path.join("db.sqlite3")
}

#[test]
fn files_that_are_no_whole_database() {
    let (fleet, _tenant, backup) = backed_up();
    let file = database(&backup);
    let whole = fs::read(&file).unwrap();
    let length = whole.len();
    let with = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        invalid(&fleet, &backup)
    };
    assert_eq!(with(b"").0, "Empty");
    for cut in [length / 2, length - 4096, length - 1] {
        let (name, text) = with(&whole[..cut]);
        assert_eq!(name, "Truncated");
        assert!(text.contains(&format!("{cut} of {length} bytes")), "{text}");
    }
    assert_eq!(with(&[&whole[..], b"x"].concat()).0, "WrongLength");
    fs::remove_file(&file).unwrap();
    assert_eq!(invalid(&fleet, &backup).0, "DatabaseMissing");

    // With a manifest that fits them.
    fs::write(&file, "x".repeat(100)).unwrap();
    forge(&backup.path, str::to_owned);
    assert_eq!(invalid(&fleet, &backup).0, "NotADatabase");
    fs::write(&file, "x".repeat(4096)).unwrap();
    forge(&backup.path, str::to_owned);
    assert_eq!(invalid(&fleet, &backup).0, "NotADatabase");
    fs::write(&file, &whole[..length / 2 / 4096 * 4096]).unwrap();
    forge(&backup.path, str::to_owned);
    assert_eq!(invalid(&fleet, &backup).0, "Damaged");
    // A page of zeros in the middle, and one that points to itself.
    for page in 1..length / 4096 {
        let mut bytes = whole.clone();
        bytes[page * 4096..][..4096].fill(0);
        fs::write(&file, &bytes).unwrap();
        forge(&backup.path, str::to_owned);
        assert_eq!(invalid(&fleet, &backup).0, "Damaged", "page {page}");
        let own = (page as u32 + 1).to_be_bytes();
        let header = [&[5, 0, 0, 0, 1, 0, 16, 0][..], &own, &[0x10, 0]].concat();
        bytes[page * 4096..][..header.len()].copy_from_slice(&header);
        fs::write(&file, &bytes).unwrap();
        forge(&backup.path, str::to_owned);
        assert_eq!(invalid(&fleet, &backup).0, "Damaged", "page {page}");
    }
    fs::write(&file, &whole).unwrap();
    forge(&backup.path, str::to_owned);
    fleet
        .tenancy
        .verify_backup(&BackupRef::from(&backup))
        .unwrap();
}

#[test]
fn manifests() {
    let (fleet, _tenant, backup) = backed_up();
    let file = backup.path.join("manifest.json");
    let whole = fs::read_to_string(&file).unwrap();
    let with = |text: &str| {
        fs::write(&file, text).unwrap();
        invalid(&fleet, &backup).0
    };
    for malformed in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"format\":1}",
        &whole[..whole.len() / 2],
        &format!("{whole} "),
        &whole.replace("{\"format\"", "{ \"format\""),
    ] {
        assert_eq!(with(malformed), "ManifestBad", "{malformed}");
    }
    assert_eq!(
        with(&whole.replace("\"format\":1", "\"format\":2")),
        "ManifestUnsupported"
    );
    assert_eq!(
        with("{\"format\":2,\"what\":\"is unknown\"}"),
        "ManifestUnsupported"
    );
    assert_eq!(
        with(&whole.replace("\"patients\":1", "\"patients\":2")),
        "ManifestBad"
    );
    assert_eq!(with(&" ".repeat(5 << 20)), "ManifestTooBig");
    // A gigabyte that takes no room is not read either.
    fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    let (name, text) = invalid(&fleet, &backup);
    assert!(
        name == "ManifestTooBig" && text.contains("1073741824 bytes"),
        "{text}"
    );
    fs::remove_file(&file).unwrap();
    assert_eq!(invalid(&fleet, &backup).0, "ManifestMissing");

    // One with a right checksum that says what is not so.
    fs::write(&file, &whole).unwrap();
    forge(&backup.path, |told| {
        told.replace("\"patients\":1", "\"patients\":2")
    });
    let (name, text) = invalid(&fleet, &backup);
    assert!(
        name == "WrongManifest" && text.contains("a number of rows"),
        "{text}"
    );
    fs::write(&file, &whole).unwrap();
    forge(&backup.path, |told| {
        told.replace("\"generation\":1", "\"generation\":7")
    });
    let (name, text) = invalid(&fleet, &backup);
    assert!(
        name == "WrongManifest" && text.contains("the identity"),
        "{text}"
    );
    fs::write(&file, &whole).unwrap();
    forge(&backup.path, |told| {
        told.replace(
            "\"version\":\"20260102000000\"",
            "\"version\":\"20260102000001\"",
        )
    });
    let (name, text) = invalid(&fleet, &backup);
    assert!(
        name == "WrongManifest" && text.contains("the schema"),
        "{text}"
    );
    // By id, the catalogue knows what it must be.
    let error = refused(&fleet, &BackupRef::from(&backup));
    assert!(
        error.to_string().contains("those of another one"),
        "{error}"
    );
}

/// Every single byte: a database that is altered anywhere is refused before it is opened as one, and so is a manifest.
///
/// The pages are the smallest there are, so that each byte can be tried in a few seconds.
#[test]
fn a_flipped_bit_anywhere() {
    use std::os::unix::fs::FileExt;

    let (fleet, tenant, _) = backed_up();
    rebuilt(&fleet, &tenant, "PRAGMA page_size = 512");
    let backup = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let reference = BackupRef::path(&backup.path);
    for name in ["db.sqlite3", "manifest.json"] {
        let file = backup.path.join(name);
        let whole = fs::read(&file).unwrap();
        let altered = fs::File::options().write(true).open(&file).unwrap();
        for (at, byte) in (0..).zip(&whole) {
            let flipped = byte ^ (1 << (at % 8));
            altered.write_all_at(&[flipped], at).unwrap();
            let refused = fleet.tenancy.verify_backup(&reference).unwrap_err();
            let BackupError::Invalid(fault) = &refused else {
                panic!("{refused:?}");
            };
            let by_hash = matches!(**fault, InvalidBackup::HashMismatch { .. });
            assert_eq!(
                by_hash,
                name == "db.sqlite3",
                "{name}: byte {at}: {refused}"
            );
            altered.write_all_at(&[*byte], at).unwrap();
        }
        println!("{name}: {} bytes", whole.len());
    }
    fleet.tenancy.verify_backup(&reference).unwrap();
}

#[test]
fn links_pipes_and_databases_in_use() {
    let (fleet, _tenant, backup) = backed_up();
    let file = database(&backup);
    for side in ["-wal", "-shm", "-journal"] {
        let side = backup.path.join(format!("db.sqlite3{side}"));
        fs::write(&side, "").unwrap();
        assert_eq!(invalid(&fleet, &backup).0, "NotClosed");
        fs::remove_file(side).unwrap();
    }
    let aside = backup.path.join("aside");
    fs::rename(&file, &aside).unwrap();
    std::os::unix::fs::symlink(&aside, &file).unwrap();
    assert_eq!(invalid(&fleet, &backup).0, "Unsafe");
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(&file)
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(invalid(&fleet, &backup).0, "Unsafe");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(invalid(&fleet, &backup).0, "Unsafe");
}

#[test]
fn backups_of_others() {
    let (fleet, _tenant, _) = backed_up();
    fleet.create("TH002");
    let other = fleet
        .tenancy
        .backup(&"TH002".parse().unwrap(), &BackupOptions::new())
        .unwrap();
    let error = refused(&fleet, &BackupRef::from(&other));
    assert!(matches!(error, RestoreError::WrongTenantBackup { .. }));
    let text = error.to_string();
    assert!(
        text.starts_with("the backup is that of tenant `TH002` ("),
        "{text}"
    );
    assert!(text.ends_with("), need one of tenant `TH001`"), "{text}");
    let shared = fleet.tenancy.backup_shared(&BackupOptions::new()).unwrap();
    let error = refused(&fleet, &BackupRef::from(&shared));
    assert_eq!(
        error.to_string(),
        "the backup is that of the shared database, need one of tenant `TH001`"
    );

    let (elsewhere, _, foreign) = backed_up();
    let error = refused(&fleet, &BackupRef::path(&foreign.path));
    assert!(
        matches!(error, RestoreError::WrongCatalog { .. }),
        "{error}"
    );
    let clone = |options| {
        let new = NewTenant::named("x");
        let (backup, id) = (BackupRef::path(&foreign.path), "TH003".parse().unwrap());
        fleet.tenancy.clone_from_backup(&backup, &id, new, &options)
    };
    let error = clone(CloneOptions::new()).unwrap_err();
    assert!(
        matches!(error, RestoreError::WrongCatalog { .. }),
        "{error}"
    );
    let cloned = clone(CloneOptions::new().from_any_catalog()).unwrap();
    assert_eq!(names(&mut cloned.enter().unwrap()), ["before"]);
    drop(elsewhere);
}

#[test]
fn without_the_typed_confirmation() {
    let (fleet, _tenant, backup) = backed_up();
    for typed in ["", "th001", "TH001 ", "yes"] {
        let options = RestoreOptions::confirmed(typed);
        let error = refused_with(&fleet, &BackupRef::from(&backup), &options);
        assert!(
            matches!(error, RestoreError::NotConfirmed { .. }),
            "{error}"
        );
        let error = fleet.tenancy.undo(&id(), typed).unwrap_err();
        assert!(
            matches!(error, RestoreError::NotConfirmed { .. }),
            "{error}"
        );
    }
}

#[test]
fn over_a_deleted_tenant() {
    let (fleet, _tenant, backup) = backed_up();
    let tenancy = &fleet.tenancy;
    tenancy.suspend(&id()).unwrap();
    tenancy.archive(&id()).unwrap();
    tenancy
        .delete(&id(), "TH001", diesel_tenants::Retention::NONE)
        .unwrap();
    tenancy.purge(&id(), "TH001").unwrap();
    let restore = || tenancy.restore(&id(), &BackupRef::from(&backup), &confirmed());
    let error = restore().unwrap_err();
    assert!(
        matches!(error, RestoreError::TenantDeleted { .. }),
        "{error}"
    );
    // The id belongs to somebody else now.
    tenancy
        .create(&id(), NewTenant::named("new").reuse_retired_id())
        .unwrap();
    let error = restore().unwrap_err();
    assert!(matches!(error, RestoreError::Purged { .. }), "{error}");
    let new = NewTenant::named("brought back");
    // What was purged is not brought back under another id either.
    let error = tenancy
        .clone_from_backup(
            &BackupRef::from(&backup),
            &"TH001B".parse().unwrap(),
            new,
            &CloneOptions::new(),
        )
        .unwrap_err();
    assert!(matches!(error, RestoreError::Purged { .. }), "{error}");
}

/// Changes the tenant behind the library's back, and backs it up.
fn tampered(sql: &str) -> (Fleet, BackupRecord) {
    let (fleet, tenant, _) = backed_up();
    let mut ctx = tenant.enter().unwrap();
    ctx.unrouted("tamper", |raw| raw.connection().batch_execute(sql))
        .unwrap();
    drop(ctx);
    let backup = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    (fleet, backup)
}

/// The same for a tenant that is refused afterwards: nothing is left to look at but the error.
fn refused_after(sql: &str) -> RestoreError {
    let (fleet, backup) = tampered(sql);
    let restored = fleet
        .tenancy
        .restore(&id(), &BackupRef::from(&backup), &confirmed());
    let error = restored.unwrap_err();
    let record = fleet.tenancy.handle(&id()).unwrap().record().unwrap();
    assert_eq!((record.status, record.generation), (Status::Active, 1));
    error
}

#[test]
fn ledgers_that_do_not_fit() {
    let row = "INSERT INTO __tenants_migrations VALUES";
    let error = refused_after(&format!(
        "{row} ('20990101000000', 'later', zeroblob(32), 0)"
    ));
    let text = error.to_string();
    assert!(
        text.contains("has migration 20990101000000, this program knows up to 20260102000000"),
        "{text}"
    );
    let error = refused_after(&format!("{row} ('20260101000001', 'x', zeroblob(32), 0)"));
    assert!(
        matches!(error, RestoreError::MigrationUnknown { .. }),
        "{error}"
    );
    let error = refused_after("UPDATE __tenants_migrations SET checksum = zeroblob(32)");
    assert!(
        matches!(error, RestoreError::MigrationChanged { .. }),
        "{error}"
    );
    let error = refused_after("DELETE FROM __tenants_migrations WHERE version = '20260101000000'");
    assert!(
        matches!(error, RestoreError::MigrationOutOfOrder { .. }),
        "{error}"
    );
}

#[test]
fn schemas_that_have_drifted() {
    let cases = [
        (
            "CREATE TABLE extra (id INTEGER)",
            "unexpected table \"extra\"",
        ),
        ("CREATE VIEW v AS SELECT 1", "unexpected view \"v\""),
        (
            "CREATE TRIGGER t AFTER INSERT ON patients BEGIN DELETE FROM archive; END",
            "unexpected trigger \"t\"",
        ),
        (
            // One that is named like the library's own.
            "CREATE TRIGGER __tenants_t AFTER UPDATE ON __tenants_identity BEGIN DELETE FROM archive; END",
            "unexpected trigger \"__tenants_t\"",
        ),
        (
            "CREATE TRIGGER t AFTER UPDATE ON __tenants_identity BEGIN DELETE FROM archive; END",
            "unexpected trigger \"t\"",
        ),
        (
            "CREATE INDEX i ON __tenants_identity (scope)",
            "unexpected index \"i\"",
        ),
        (
            "DROP INDEX visits_patient_id; CREATE INDEX visits_patient_id ON visits (reason)",
            "changed index \"visits_patient_id\"",
        ),
        (
            "DROP TABLE archive; CREATE TABLE archive
             (id INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL DEFAULT 'x', ward TEXT)",
            "changed table \"archive\"",
        ),
        ("DROP TABLE archive", "missing table \"archive\""),
        (
            "DROP INDEX visits_patient_id",
            "missing index \"visits_patient_id\"",
        ),
        (
            "ALTER TABLE archive DROP COLUMN ward",
            "changed table \"archive\", missing columns [\"ward\"]",
        ),
        (
            "ALTER TABLE archive ADD COLUMN x TEXT",
            "changed table \"archive\", unexpected columns [\"x\"]",
        ),
    ];
    for (sql, difference) in cases {
        let error = refused_after(sql);
        let RestoreError::SchemaDrift { differences } = &error else {
            panic!("{sql}: {error}");
        };
        assert_eq!(differences.len(), 1, "{error}");
        assert!(error.to_string().contains(difference), "{sql}: {error}");
    }
    let (fleet, backup) = tampered("CREATE VIEW v AS SELECT 1");
    let drifted = confirmed().allow_drift();
    fleet
        .tenancy
        .restore(&id(), &BackupRef::from(&backup), &drifted)
        .unwrap();
    assert_eq!(world::rows(&fleet.tenancy), ["before"]);
}

/// A fence is taken out by name. What is named like one is not run before.
#[test]
fn a_trigger_that_poses_as_the_fence_is_never_run() {
    let sql = "CREATE TRIGGER __tenants_fence_x AFTER UPDATE ON __tenants_identity
               BEGIN DELETE FROM patients; END";
    let (fleet, backup) = tampered(sql);
    let options = confirmed().without_safety_backup();
    let tenancy = &fleet.tenancy;
    tenancy
        .restore(&id(), &BackupRef::from(&backup), &options)
        .unwrap();
    assert_eq!(world::rows(tenancy), ["before"]);
}

/// A backup that is exchanged between looking and copying: the copy is what counts.
#[cfg(feature = "failpoints")]
#[test]
fn a_backup_that_is_exchanged_after_it_was_verified() {
    let (fleet, tenant, backup) = backed_up();
    let file = database(&backup);
    let other = fleet.create("TH002");
    admit(&mut other.enter().unwrap(), "another's").unwrap();
    let others = fleet
        .tenancy
        .backup(&other.id(), &BackupOptions::new())
        .unwrap();
    let signals = tempfile::tempdir().unwrap();
    let (mut child, signal) =
        crashes::paused("restore", &fleet.root, "restore.verified", signals.path());
    fs::remove_file(&file).unwrap();
    fs::copy(database(&others), &file).unwrap();
    fs::write(&signal, "").unwrap();
    assert_eq!(child.hear(), None, "it was restored");
    assert!(!child.wait().success());
    assert_eq!(names(&mut tenant.enter().unwrap()), ["before"]);
    assert_eq!(tenant.record().unwrap().generation, 1);
}

#[test]
fn unknown_and_differently_named() {
    let (fleet, _tenant, backup) = backed_up();
    let error = refused(&fleet, &BackupRef::id(uuid::Uuid::nil()));
    assert!(
        matches!(&error, RestoreError::Backup(e) if matches!(**e, BackupError::Unknown { .. }))
    );
    let nowhere = refused(&fleet, &BackupRef::path(fleet.root.join("nowhere")));
    assert!(matches!(
        nowhere.invalid_backup(),
        Some(InvalidBackup::ManifestMissing { .. })
    ));
    // A database is not a backup, not even that of a backup.
    let file = refused(&fleet, &BackupRef::path(database(&backup)));
    assert!(matches!(
        file.invalid_backup(),
        Some(InvalidBackup::NotADirectory { .. })
    ));
}
