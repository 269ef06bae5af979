//! Files that are missing, empty, cut, swapped or unsafe: each has a health of its own, and none is touched.
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use diesel_tenants::error::{ContextPoisoned, PoisonCause};
use diesel_tenants::prelude::*;
use diesel_tenants::verify::{Health, Integrity, VerifyError, VerifyOptions};

use super::{fleet, id, lines, run, verify};
use crate::app::Fleet;

/// Closes every connection, so that the WAL is in the file.
fn closed(fleet: &Fleet) -> std::path::PathBuf {
    let file = fleet.file(&fleet.tenancy.handle(&id()).unwrap(), 1);
    fleet.tenancy.suspend(&id()).unwrap();
    fleet.tenancy.resume(&id()).unwrap();
    file
}

fn listing(file: &Path) -> Vec<String> {
    let entries = fs::read_dir(file.parent().unwrap()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().display().to_string())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_no_sound_database_of_the_tenant_is_named() {
    type Harm = fn(&Path);
    let rows: [(Harm, Health, &str); 8] = [
        (
            |file| fs::remove_file(file).unwrap(),
            Health::Missing,
            "the database is missing",
        ),
        (
            |file| fs::write(file, "").unwrap(),
            Health::Missing,
            "the database is an empty file",
        ),
        (
            |file| {
                let bytes = fs::read(file).unwrap();
                fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
            },
            Health::Corrupt,
            "the database is damaged",
        ),
        (
            |file| fs::write(file, [7; 8192]).unwrap(),
            Health::Corrupt,
            "the database is damaged (file is not a database)",
        ),
        (
            |file| {
                let mut bytes = fs::read(file).unwrap();
                // A page of a table, not the first one.
                for byte in &mut bytes[2 * 4096..3 * 4096] {
                    *byte = 0xa5;
                }
                fs::write(file, bytes).unwrap();
            },
            Health::Corrupt,
            "the database is damaged",
        ),
        (
            |file| fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap(),
            Health::Unreachable,
            "the database is refused: refusing the database file",
        ),
        (
            |file| {
                let aside = file.with_extension("aside");
                fs::rename(file, &aside).unwrap();
                std::os::unix::fs::symlink(aside, file).unwrap();
            },
            Health::Unreachable,
            "the database is refused",
        ),
        (
            |file| fs::write(file.with_file_name("g1.sqlite3-journal"), "x").unwrap(),
            Health::Unreachable,
            "a rollback journal lies beside the database",
        ),
    ];
    for (number, (harm, health, text)) in rows.into_iter().enumerate() {
        let fleet = fleet();
        let file = closed(&fleet);
        harm(&file);
        let before = (listing(&file), fs::read(&file).ok());
        let found = verify(&fleet);
        assert_eq!(found.status, health, "{number}: {found}");
        assert!(lines(&found)[0].starts_with(text), "{number}: {found}");
        assert!(
            (listing(&file), fs::read(&file).ok()) == before,
            "{number}: something was changed"
        );
        let kept = fleet.tenancy.health(&id()).unwrap().unwrap();
        assert_eq!(
            (kept.status, kept.findings[0].text.clone()),
            (health, lines(&found)[0].clone())
        );
    }
}

#[test]
fn it_says_whose_a_database_really_is() {
    let fleet = fleet();
    let a = closed(&fleet);
    let other = fleet.create("B1");
    let b = fleet.file(&other, 1);
    fs::copy(&b, &a).unwrap();
    let found = verify(&fleet);
    assert_eq!(found.status, Health::Foreign);
    assert_eq!(
        lines(&found),
        [
            "the database is really that of tenant `B1`, generation 1; put the files back where they belong"
        ]
    );
    // Whoever does that to a context has one that is nobody's.
    let harm = "DROP TABLE __tenants_identity";
    let harmed = other.enter().unwrap().unrouted("test", |raw| {
        diesel::connection::SimpleConnection::batch_execute(raw.connection(), harm)
    });
    let poisoned = ContextPoisoned::of(&harmed.unwrap_err()).copied();
    assert_eq!(poisoned.unwrap().cause, PoisonCause::Replaced);
    let found = fleet
        .tenancy
        .verify(&"B1".parse().unwrap(), &VerifyOptions::default())
        .unwrap();
    assert_eq!(found.status, Health::Foreign);
    assert!(lines(&found)[0].contains("carries no identity"), "{found}");
}

#[test]
fn not_a_byte_of_a_healthy_tenant_is_changed() {
    let fleet = fleet();
    let file = closed(&fleet);
    let before = (
        listing(&file),
        fs::read(&file).unwrap(),
        fs::metadata(&file).unwrap().modified().unwrap(),
    );
    for integrity in [Integrity::Skip, Integrity::Quick, Integrity::Full] {
        let found = fleet
            .tenancy
            .verify(&id(), &VerifyOptions::default().integrity(integrity))
            .unwrap();
        assert!(found.is_ready(), "{found}");
    }
    let after = (
        listing(&file),
        fs::read(&file).unwrap(),
        fs::metadata(&file).unwrap().modified().unwrap(),
    );
    assert!(before == after);
}

#[test]
fn a_database_in_another_journal_mode_stays_in_it() {
    let fleet = fleet();
    closed(&fleet);
    run(&fleet.tenancy, "PRAGMA journal_mode = DELETE");
    let file = closed(&fleet);
    let before = fs::read(&file).unwrap();
    let found = verify(&fleet);
    assert!(found.is_ready(), "{found}");
    assert!(fs::read(&file).unwrap() == before);
}

#[test]
fn every_status_with_a_database_is_verified_and_no_other() {
    let fleet = fleet();
    fleet.tenancy.suspend(&id()).unwrap();
    assert!(verify(&fleet).is_ready());
    fleet.tenancy.archive(&id()).unwrap();
    let found = verify(&fleet);
    assert_eq!(
        (found.status, found.tenant_status),
        (Health::Ready, Some(Status::Archived))
    );
    fleet
        .tenancy
        .delete(&id(), "A1", diesel_tenants::Retention::NONE)
        .unwrap();
    fleet.tenancy.purge(&id(), "A1").unwrap();
    let gone = fleet.tenancy.verify(&id(), &VerifyOptions::default());
    assert!(matches!(gone, Err(VerifyError::Open(_))), "{gone:?}");
}

#[test]
fn a_fence_that_nobody_needs_is_found() {
    let fleet = fleet();
    run(&fleet.tenancy, "UPDATE __tenants_identity SET fenced = 1");
    let found = verify(&fleet);
    assert_eq!(found.status, Health::Incomplete);
    assert!(
        lines(&found)[0].starts_with("the database is fenced although"),
        "{found}"
    );
}

#[test]
fn what_lies_beside_the_database_is_named_and_no_hindrance() {
    let fleet = fleet();
    let file = closed(&fleet);
    // A database of a higher number is no leftover: see `generations`.
    for name in [".new-g2.sqlite3", "g9.sqlite3-wal", "notes.txt"] {
        fs::write(file.with_file_name(name), "x").unwrap();
    }
    let found = verify(&fleet);
    assert_eq!(found.status, Health::Ready);
    assert_eq!(
        lines(&found),
        [
            "\"notes.txt\" in the tenant's directory is none of its databases",
            "\".new-g2.sqlite3\" in the tenant's directory was left by something that was killed",
            "\"g9.sqlite3-wal\" in the tenant's directory was left by something that was killed",
        ]
    );
}

/// What an operation is making, or has fenced, is its own while it is under way.
#[test]
fn what_is_under_way_is_no_finding() {
    use diesel::connection::SimpleConnection;
    let fleet = fleet();
    run(&fleet.tenancy, "UPDATE __tenants_identity SET fenced = 1");
    let file = closed(&fleet);
    fs::write(file.with_file_name(".new-g2.sqlite3"), "x").unwrap();
    assert_eq!(verify(&fleet).reasons.len(), 2);
    let sql = "INSERT INTO __tenants_operations
               SELECT randomblob(16), uuid, 'compact', zeroblob(16), 'active', 1, 2, 0, NULL, NULL
               FROM __tenants_tenants";
    let mut shared = fleet.tenancy.shared().unwrap();
    shared
        .unrouted("test", |raw| raw.connection().batch_execute(sql))
        .unwrap();
    assert_eq!(verify(&fleet).reasons, []);
}

#[test]
fn a_kept_generation_that_is_gone_is_named() {
    use diesel::connection::SimpleConnection;
    let fleet = fleet();
    let sql =
        "INSERT INTO __tenants_generations SELECT uuid, 7, 'restore', 0 FROM __tenants_tenants";
    let mut shared = fleet.tenancy.shared().unwrap();
    shared
        .unrouted("test", |raw| raw.connection().batch_execute(sql))
        .unwrap();
    let found = verify(&fleet);
    assert_eq!(found.status, Health::Ready);
    assert_eq!(
        lines(&found),
        ["generation 7 was kept so that its replacement can be undone, and is not there"]
    );
}
