//! The ledger against the migrations and against the schema.
use diesel_tenants::verify::{Finding, Health, VerifyOptions};
use diesel_tenants::{MigrationScript, MigrationSet, Tenancy};

use super::{everything, fleet, id, lines, run, verify};
use crate::app::{self, Fleet, fleet_again};

fn verified_by(fleet: &Fleet, set: MigrationSet) -> (Health, Vec<Finding>) {
    let tenancy = fleet_again(fleet, set);
    let found = tenancy.verify(&id(), &VerifyOptions::default()).unwrap();
    (found.status, found.reasons)
}

#[test]
fn a_database_that_is_behind_is_compared_with_what_it_should_be_so_far() {
    let fleet = fleet();
    let newer = MigrationScript::new(
        "20260104000000",
        "more",
        "CREATE TABLE more (id INTEGER); CREATE TABLE most (id INTEGER);",
    );
    let set = everything().and(newer);
    let (status, found) = verified_by(&fleet, set.clone());
    assert_eq!(status, Health::Incomplete);
    let [Finding::Behind { pending: 1, next }] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(next, "20260104000000");
    // What is missing of the older ones is found all the same.
    run(&fleet.tenancy, "DROP TABLE archive");
    let (_, found) = verified_by(&fleet, set);
    assert!(
        matches!(
            &found[..],
            [Finding::Behind { .. }, Finding::MissingTable { .. }]
        ),
        "{found:?}"
    );
}

#[test]
fn a_database_that_is_ahead_is_not_judged() {
    let fleet = fleet();
    let older: MigrationSet = everything().iter().take(2).cloned().collect();
    let (status, found) = verified_by(&fleet, older);
    assert_eq!(status, Health::Incomplete);
    assert!(
        matches!(&found[..], [Finding::Ahead { newest }] if newest == "20260103000000"),
        "{found:?}"
    );
}

#[test]
fn an_edited_and_an_unknown_migration_are_named() {
    let fleet = fleet();
    run(
        &fleet.tenancy,
        "UPDATE __tenants_migrations SET checksum = x'00' WHERE name = 'payment'",
    );
    run(
        &fleet.tenancy,
        "INSERT INTO __tenants_migrations VALUES ('20260102120000', 'ghost', x'00', 0)",
    );
    assert_eq!(
        lines(&verify(&fleet)),
        [
            "migration 20260102000000 (payment) was edited after it was applied; put its script back",
            "migration 20260102120000 (ghost) is recorded, and this program does not have it; deploy the build that has",
        ]
    );
}

#[test]
fn a_migration_that_was_passed_over_is_out_of_order() {
    let fleet = fleet();
    let late = MigrationScript::new("20260102120000", "late", "CREATE TABLE late (id INTEGER)");
    let (_, found) = verified_by(&fleet, everything().and(late));
    assert_eq!(
        found.iter().map(Finding::to_string).collect::<Vec<_>>(),
        [
            "migration 20260102120000 (late) is not applied, although the newer 20260103000000 is; give it a newer version",
            "table `late` is missing; migration 20260102120000 (late) makes it",
        ]
    );
}

#[test]
fn what_is_there_and_not_recorded_is_named() {
    let fleet = fleet();
    run(&fleet.tenancy, "DELETE FROM __tenants_migrations");
    let found = verify(&fleet);
    let recorded = |name: &str| {
        lines(&found)
            .iter()
            .any(|line| line.contains(&format!("({name}) makes is there, but it is not recorded")))
    };
    assert!(
        recorded("wards") && recorded("payment") && recorded("archive"),
        "{found}"
    );
    assert_eq!(
        found.reasons.len(),
        4,
        "and the catalogue disagrees: {found}"
    );
}

#[test]
fn the_catalogue_is_compared_with_the_database() {
    use diesel::connection::SimpleConnection;
    let fleet = fleet();
    let set = |sql: &str| {
        let mut shared = fleet.tenancy.shared().unwrap();
        shared
            .unrouted("test", |raw| raw.connection().batch_execute(sql))
            .unwrap();
    };
    set("UPDATE __tenants_tenants SET schema_fingerprint = 'x', change_seq = change_seq + 1000");
    set("UPDATE __tenants_catalog SET change_seq = change_seq + 1000");
    fleet.tenancy.tenants().unwrap();
    let found = verify(&fleet);
    assert_eq!(found.reasons, [Finding::CatalogFingerprint]);
    assert!(found.is_ready());
    set("UPDATE __tenants_tenants SET schema_version = '1', change_seq = change_seq + 1000");
    set("UPDATE __tenants_catalog SET change_seq = change_seq + 1000");
    fleet.tenancy.tenants().unwrap();
    assert_eq!(
        lines(&verify(&fleet)),
        [
            "the catalogue says the newest migration is 1, the database says 20260103000000; repair corrects the catalogue"
        ]
    );
}

fn found(tenancy: &Tenancy) -> String {
    let found = tenancy.verify(&id(), &VerifyOptions::default()).unwrap();
    format!("{:?}", found.reasons)
}

/// Its schema is that of before, its ledger that of afterwards: half of each would be called drift.
#[cfg(feature = "failpoints")]
#[test]
fn who_is_migrated_while_it_is_verified_is_seen_as_it_was_before() {
    let fleet = app::fleet_with(|builder| builder.tenant_migrations(app::wards()));
    fleet.create("A1");
    let newer = fleet.again();
    let before = found(&newer);
    assert!(before.contains("Behind"), "{before}");
    let dir = tempfile::tempdir().unwrap();
    let go_on = dir.path().join("go-on");
    let mut command = crate::actors::command("verify A1", &fleet.root);
    let pause = format!("verify.schema=pause:{}", go_on.display());
    command.env("DIESEL_TENANTS_FAILPOINT", pause);
    let mut verifying = crate::actors::Actor::from(command);
    while !dir.path().join("go-on.reached").exists() {
        std::thread::yield_now();
    }
    newer.migrate_tenant(&id()).unwrap();
    std::fs::File::create(&go_on).unwrap();
    assert_eq!(verifying.hear(), Some(before));
    assert_eq!(found(&newer), "[]");
}

/// The part that another process plays.
pub(crate) fn play(part: &str, root: &std::path::Path) -> bool {
    match part {
        "verify A1" => crate::actors::say(found(&app::builder(root).open().unwrap())),
        _ => return false,
    }
    true
}
