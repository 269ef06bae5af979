//! What an operator asks beside the tenants: where files are, what is unfinished, how ledgers compare.
use diesel_tenants::migrate::Verdict;
use diesel_tenants::prelude::*;
use diesel_tenants::{MigrationSet, OperationKind};

use crate::app::{builder, fleet, wards};

#[test]
fn a_tenants_file_is_where_its_newest_generation_is() {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    let id = tenant.id();
    let found = fleet.tenancy.database_file(&id).unwrap();
    let root = fleet.root.canonicalize().unwrap();
    assert_eq!(fleet.tenancy.data_directory(), root);
    assert_eq!(found.path, fleet.file(&tenant, 1).canonicalize().unwrap());
    assert!(found.bytes.unwrap() > 0);

    fleet.tenancy.compact(&id).unwrap();
    let moved = fleet.tenancy.database_file(&id).unwrap();
    assert!(moved.path.ends_with("g2.sqlite3"), "{moved:?}");
    drop(tenant);
    std::fs::remove_file(&moved.path).unwrap();
    assert_eq!(fleet.tenancy.database_file(&id).unwrap().bytes, None);

    let shared = fleet.tenancy.shared_file().unwrap();
    assert_eq!(shared.path, root.join("shared.sqlite3"));
    let disk = fleet.tenancy.disk_space().unwrap();
    assert!(0 < disk.free && disk.free <= disk.total, "{disk:?}");
}

#[test]
fn the_ids_that_were_ever_taken_are_remembered() {
    let fleet = fleet();
    for id in ["TH001", "TH002"] {
        fleet.create(id);
    }
    let mut ids = fleet.tenancy.ids_ever_taken().unwrap();
    ids.sort();
    assert_eq!(
        ids.iter().map(TenantId::as_str).collect::<Vec<_>>(),
        ["TH001", "TH002"]
    );
}

#[test]
fn a_ledger_is_compared_whatever_the_schema_is() {
    let fleet = fleet();
    let id = fleet.create("TH001").id();
    let set = fleet.tenancy.tenant_migrations();
    assert_eq!(set.len(), 2);
    let status = fleet.tenancy.migration_status(&id).unwrap();
    assert_eq!(
        (status.applied.len(), status.verdict),
        (2, Verdict::UpToDate)
    );

    // To an older program the database is ahead; its contexts are refused, the question is not.
    let older = builder(&fleet.root)
        .tenant_migrations(MigrationSet::new([wards()]))
        .open()
        .unwrap();
    assert!(older.tenant(&id).is_err());
    let status = older.migration_status(&id).unwrap();
    let newest = "20260102000000".to_owned();
    assert_eq!(status.verdict, Verdict::Ahead { newest });
    assert!(older.migration_status(&"TH009".parse().unwrap()).is_err());
}

#[test]
fn an_operation_is_unfinished_while_it_is_under_way() {
    let fleet = fleet();
    assert_eq!(fleet.tenancy.unfinished().unwrap(), []);
    let id = fleet.create("TH001").id();
    // A row as a process leaves it that was killed at once, of an instance that never was.
    let sql = "INSERT INTO __tenants_operations
                   (id, tenant_uuid, kind, instance, prior_status, from_generation, to_generation, started_at)
               SELECT randomblob(16), uuid, 'compact', randomblob(16), 'active', 1, 2, 0 FROM __tenants_tenants";
    fleet
        .tenancy
        .shared()
        .unwrap()
        .unrouted("leave an operation behind", |raw| {
            diesel::sql_query(sql).execute(raw)
        })
        .unwrap();
    let found = fleet.tenancy.unfinished().unwrap();
    let [operation] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (operation.tenant, operation.kind, operation.alive),
        (id, OperationKind::Compact, false)
    );
    assert_eq!(operation.status, Status::Active);
    fleet.tenancy.recover().unwrap();
    assert_eq!(fleet.tenancy.unfinished().unwrap(), []);
}
