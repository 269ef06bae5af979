//! What must hold whenever the library was opened again, whatever was done to the process before.
use std::collections::BTreeSet;
use std::path::Path;

use diesel::sql_types::BigInt;
use diesel_tenants::backend::ConnectError;
use diesel_tenants::prelude::*;
use diesel_tenants::{Builder, OpenError, Sqlite};

use crate::app::{builder, names};

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}

fn count(tenancy: &Tenancy, sql: &str) -> i64 {
    let count = tenancy
        .shared()
        .unwrap()
        .unrouted("look into the catalogue", |raw| {
            diesel::sql_query(sql).get_result::<Count>(raw)
        });
    count.unwrap().count
}

/// The old generations of a tenant that the catalogue says are kept.
fn kept_generations(tenancy: &Tenancy, uuid: &str) -> Vec<i64> {
    let sql = format!(
        "SELECT generation AS count FROM __tenants_generations WHERE hex(tenant_uuid) = upper('{uuid}')"
    );
    let kept = tenancy
        .shared()
        .unwrap()
        .unrouted("look into the catalogue", |raw| {
            diesel::sql_query(sql).load::<Count>(raw)
        });
    kept.unwrap().into_iter().map(|row| row.count).collect()
}

/// Opens the library and checks: nothing is half done, every tenant is whole, no file is nobody's.
pub(crate) fn check(root: &Path) -> Tenancy {
    check_with(root, |builder| builder)
}

/// The same, with another program than the tests' usual one.
pub(crate) fn check_with(
    root: &Path,
    adjust: impl FnOnce(Builder<SqliteConnection, Sqlite>) -> Builder<SqliteConnection, Sqlite>,
) -> Tenancy {
    let tenancy = adjust(builder(root)).open().unwrap();
    let open = count(
        &tenancy,
        "SELECT count(*) AS count FROM __tenants_operations WHERE finished_at IS NULL",
    );
    assert_eq!(open, 0, "an operation is half done");
    assert_eq!(
        tenancy.recover().unwrap(),
        0,
        "recovery is not done after one run"
    );

    assert_eq!(tenancy.unfinished_workflows().unwrap(), []);
    let log = tenancy.verify_audit().unwrap();
    assert!(log.is_intact(), "{log:?}");

    let mut expected = BTreeSet::new();
    for record in tenancy.tenants().unwrap() {
        if record.status == Status::Reserved {
            assert_eq!(record.schema_version, None);
            continue;
        }
        assert!(
            matches!(
                record.status,
                Status::Active | Status::Suspended | Status::Archived
            ),
            "{record:?}"
        );
        let uuid = record.uuid.simple().to_string();
        let file = format!(
            "{}-{}/g{}.sqlite3",
            record.id.folded(),
            &uuid[24..],
            record.generation
        );
        expected.insert(file);
        for kept in kept_generations(&tenancy, &uuid) {
            expected.insert(format!(
                "{}-{}/g{kept}.sqlite3",
                record.id.folded(),
                &uuid[24..]
            ));
        }
        if record.status == Status::Active {
            let mut ctx = match tenancy.tenant(&record.id) {
                // It waits for a migration, which whoever asked for this looks after.
                Err(OpenError::Connect(ConnectError::Schema { .. })) => continue,
                ctx => ctx.unwrap(),
            };
            names(&mut ctx);
            let sound = ctx.unrouted("integrity check", |raw| {
                diesel::sql_query(
                    "SELECT (integrity_check = 'ok') AS count FROM pragma_integrity_check",
                )
                .get_result::<Count>(raw)
            });
            assert_eq!(sound.unwrap().count, 1);
        }
    }
    let mut found = BTreeSet::new();
    for directory in std::fs::read_dir(root.join("tenants")).unwrap() {
        let directory = directory.unwrap();
        for file in std::fs::read_dir(directory.path()).unwrap() {
            let (directory, file) = (directory.file_name(), file.unwrap().file_name());
            let name = format!("{}/{}", directory.display(), file.display());
            if !name.ends_with("-wal") && !name.ends_with("-shm") {
                found.insert(name);
            }
        }
    }
    assert_eq!(
        found, expected,
        "files below tenants/ and the catalogue disagree"
    );
    check_tombstones(&tenancy, root);
    crate::backup::check(&tenancy, root);
    tenancy
}

/// A tenant is deleted and has a certificate that is complete, or neither; and nothing half written lies about.
fn check_tombstones(tenancy: &Tenancy, root: &Path) {
    assert!(tenancy.undead().unwrap().is_empty());
    assert!(tenancy.buried().is_empty());
    let mut found = BTreeSet::new();
    for tombstone in std::fs::read_dir(root.join("tombstones")).unwrap() {
        let name = tombstone.unwrap().file_name().into_string().unwrap();
        let uuid = name.strip_suffix(".json").unwrap().parse().unwrap();
        let certificate = tenancy.certificate(&uuid).unwrap().unwrap();
        assert!(certificate.completed_at.is_some(), "{certificate:?}");
        found.insert(name.strip_suffix(".json").unwrap().to_owned());
    }
    let deleted = tenancy
        .shared()
        .unwrap()
        .unrouted("look into the catalogue", |raw| {
            diesel::sql_query(
                // One that a workflow created, and removed when it was undone, is known to the log only.
                "SELECT lower(hex(uuid)) AS name FROM __tenants_tenants WHERE status = 'deleted' \
                 UNION SELECT lower(hex(tenant_uuid)) FROM __tenants_audit WHERE action = 'purge.commit'",
            )
            .load::<Name>(raw)
        });
    let deleted: BTreeSet<_> = deleted.unwrap().into_iter().map(|row| row.name).collect();
    assert_eq!(found, deleted, "tombstones and the catalogue disagree");
}

/// The rows of TH001, in order of their ids.
pub(crate) fn rows(tenancy: &Tenancy) -> Vec<String> {
    names(&mut tenancy.tenant(&"TH001".parse().unwrap()).unwrap())
}
