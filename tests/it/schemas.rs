//! Schema versions, and the second fence: a database of one scope has nothing of the other.
use std::error::Error as _;

use diesel::connection::SimpleConnection;

use diesel_tenants::backend::{ConnectError, StorageError};
use diesel_tenants::error::{CreateError, LifecycleError, SetupError};
use diesel_tenants::migrate::SchemaMismatch;
use diesel_tenants::{Error, OpenError, SchemaPolicy, prelude::*};

use crate::app::schema::archive as archive_table;
use crate::app::{
    ROUTES, admit, archive, builder, fleet, names, patients, shared_migrations, wards,
};
use crate::world;

fn older() -> MigrationSet {
    MigrationSet::new([wards()])
}

fn gap(error: OpenError) -> SchemaMismatch {
    match error {
        OpenError::Connect(ConnectError::Schema { mismatch, .. }) => mismatch,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tenant_behind_is_refused_until_it_is_migrated() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let id = "TH001".parse().unwrap();
    let old = builder(&root).tenant_migrations(older()).open().unwrap();
    let th001 = old.create(&id, NewTenant::named("x")).unwrap();
    admit(&mut th001.enter().unwrap(), "kept").unwrap();

    let new = builder(&root).open().unwrap();
    let refused = new.tenant(&id).unwrap_err();
    let cause = refused.source().unwrap().to_string();
    assert_eq!(
        cause,
        "the schema is at `20260101000000`, this program needs `20260102000000`; run the pending migrations"
    );
    assert!(matches!(gap(refused), SchemaMismatch::Behind { .. }));

    let applied = new.migrate_tenant(&id).unwrap();
    assert_eq!(applied.len(), 1);
    assert_eq!(applied[0].name, "archive");
    assert!(new.migrate_tenant(&id).unwrap().is_empty());
    let mut ctx = new.tenant(&id).unwrap();
    assert_eq!(names(&mut ctx), ["kept"]);
    archive_table::table
        .count()
        .get_result::<i64>(&mut ctx)
        .unwrap();

    // The schema of a migrated tenant is that of a new one.
    let fresh = new
        .create(&"TH002".parse().unwrap(), NewTenant::named("x"))
        .unwrap();
    let record = |handle: TenantHandle| handle.record().unwrap();
    assert_eq!(
        record(new.handle(&id).unwrap()).schema_fingerprint,
        record(fresh).schema_fingerprint
    );

    // The program that was left behind may not touch it any more: it does not know what it would break.
    old.tenants().unwrap();
    let refused = old.tenant(&id).unwrap_err();
    assert!(matches!(gap(refused), SchemaMismatch::Ahead { .. }));
    let refused = old.migrate_tenant(&id).unwrap_err();
    assert!(
        matches!(refused, LifecycleError::Migrate { .. }),
        "{refused:?}"
    );
    world::check(&root);
}

#[test]
fn by_policy_a_tenant_behind_is_migrated_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let id = "TH001".parse().unwrap();
    let old = builder(&root).tenant_migrations(older()).open().unwrap();
    old.create(&id, NewTenant::named("x")).unwrap();
    drop(old);

    let policy = SchemaPolicy::MigrateOnOpen;
    let new = builder(&root).schema_policy(policy).open().unwrap();
    let handle = new.handle(&id).unwrap();
    // Several at once: one migrates, nobody fails.
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| drop(handle.enter().unwrap()));
        }
    });
    let version = handle.record().unwrap().schema_version.clone();
    assert_eq!(version.as_deref(), Some("20260102000000"));
}

#[test]
fn a_migration_that_fails_leaves_the_tenant_as_it_was() {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "kept").unwrap();
    let broken = MigrationScript::new(
        "20260103000000",
        "broken",
        "CREATE TABLE patients (id INTEGER);",
    );
    let set = MigrationSet::new([wards(), archive(), broken]);
    let next = builder(&fleet.root).tenant_migrations(set).open().unwrap();
    let id = tenant.id();
    let error = next.migrate_tenant(&id).unwrap_err();
    assert!(matches!(error, LifecycleError::Migrate { .. }), "{error:?}");
    // And no tenant is made from a template that cannot be made.
    let error = next
        .create(&"TH002".parse().unwrap(), NewTenant::named("x"))
        .unwrap_err();
    assert!(
        matches!(error, CreateError::Storage(StorageError::Template(_))),
        "{error:?}"
    );
    drop(next);
    assert_eq!(names(&mut tenant.enter().unwrap()), ["kept"]);
    assert_eq!(world::check(&fleet.root).tenants().unwrap().len(), 1);
}

/// Each try is an operation in the journal and entries in the audit log, on the database all tenants share: one tenant that
/// cannot be migrated would have them written by everybody who knocks.
#[test]
fn a_migration_on_open_that_fails_is_not_tried_by_everybody_who_knocks() {
    use diesel::sql_types::BigInt;

    let fleet = fleet();
    let (tenant, other) = (fleet.create("TH001"), fleet.create("TH002"));
    let unique = MigrationScript::new(
        "20260103000000",
        "unique",
        "CREATE UNIQUE INDEX one_of_a_name ON patients (name);",
    );
    for _ in 0..2 {
        admit(&mut tenant.enter().unwrap(), "twice").unwrap();
    }
    let next = builder(&fleet.root)
        .tenant_migrations(MigrationSet::new([wards(), archive(), unique]))
        .schema_policy(SchemaPolicy::MigrateOnOpen)
        .open()
        .unwrap();
    let (id, handle) = (tenant.id(), next.handle(&tenant.id()).unwrap());
    let written = || {
        let operations = "(SELECT count(*) FROM __tenants_operations)";
        let operations = diesel::select(diesel::dsl::sql::<BigInt>(operations));
        let mut shared = next.shared().unwrap();
        let operations = shared.unrouted("count", |raw| operations.get_result::<i64>(raw));
        (next.audit_head().unwrap().seq, operations.unwrap())
    };
    let refused = || {
        let error = handle.enter().unwrap_err();
        let OpenError::MigrateOnOpen { id: found, source } = error else {
            panic!("{error:?}");
        };
        assert_eq!(found, id);
        assert!(
            matches!(*source, LifecycleError::Migrate { .. }),
            "{source:?}"
        );
    };
    // Be they many at once, one of them tries.
    let before = written();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(refused);
        }
    });
    let once = written();
    assert_eq!(once.1, before.1 + 1);
    (0..3).for_each(|_| refused());
    assert_eq!(written(), once);
    // Others are not kept from it, and whoever asks for it by name always tries.
    drop(next.tenant(&other.id()).unwrap());
    next.migrate_tenant(&id).unwrap_err();
    assert!(written() > once);
    // Once the rows are mended, that is how it is let in at once.
    tenant
        .enter()
        .unwrap()
        .transaction(|ctx| diesel::delete(patients::table).execute(ctx))
        .unwrap();
    next.migrate_tenant(&id).unwrap();
    drop(handle.enter().unwrap());
}

#[test]
fn a_changed_migration_set_makes_a_new_template() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let templates = || std::fs::read_dir(root.join("templates")).unwrap().count();
    let create = |set: MigrationSet, id: &str| {
        let tenancy = builder(&root).tenant_migrations(set).open().unwrap();
        let tenant = tenancy
            .create(&id.parse().unwrap(), NewTenant::named("x"))
            .unwrap();
        tenant.record().unwrap().schema_version.clone()
    };
    create(older(), "A1");
    create(older(), "A2");
    assert_eq!(templates(), 1);
    let version = create(MigrationSet::new([wards(), archive()]), "A3");
    assert_eq!(templates(), 2);
    assert_eq!(version.as_deref(), Some("20260102000000"));
}

#[test]
fn migrations_of_one_scope_cannot_make_tables_of_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let id = "TH001".parse().unwrap();
    let with_users =
        MigrationScript::new("20260103000000", "oops", "CREATE TABLE users (id INTEGER);");
    let set = MigrationSet::new([wards(), with_users]);
    let tenancy = builder(&root).tenant_migrations(set).open().unwrap();
    let error = tenancy.create(&id, NewTenant::named("x")).unwrap_err();
    let CreateError::Storage(error @ StorageError::TableOfOtherScope { .. }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(
        error.to_string(),
        "the tenant migrations make `users`, which `routes!` lists under `shared`; make it in the shared migrations"
    );
    assert!(tenancy.tenants().unwrap().is_empty());
    // Nor may they reach a tenant that is there already.
    let before = builder(&root).tenant_migrations(older()).open().unwrap();
    before.create(&id, NewTenant::named("x")).unwrap();
    tenancy.tenants().unwrap();
    let error = tenancy.migrate_tenant(&id).unwrap_err();
    let refused = matches!(
        error,
        LifecycleError::Storage(StorageError::TableOfOtherScope { .. })
    );
    assert!(refused, "{error:?}");
    before.tenant(&id).unwrap();

    let with_patients = MigrationScript::new(
        "20260103000000",
        "oops",
        "CREATE TABLE patients (id INTEGER);",
    );
    let set = shared_migrations().and(MigrationSet::new([with_patients]));
    let error = Tenancy::builder(&ROUTES)
        .sqlite(dir.path().join("other"))
        .init()
        .shared_migrations(set)
        .open()
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Setup(SetupError::Storage(StorageError::TableOfOtherScope { .. }))
        ),
        "{error:?}"
    );
}

/// The origin's famous error: with such a reference SQLite fails every insert into the table, with `no such table:
/// main.accounts_hospital`, even where the column is NULL.
#[test]
fn a_foreign_key_into_the_other_database_is_refused_before_a_row_is() {
    let dir = tempfile::tempdir().unwrap();
    let across = MigrationScript::new(
        "20260103000000",
        "across",
        "CREATE TABLE audits (id INTEGER PRIMARY KEY, by_user INTEGER REFERENCES users (id));",
    );
    let set = MigrationSet::new([wards(), across]);
    let tenancy = builder(&dir.path().join("data"))
        .tenant_migrations(set)
        .open()
        .unwrap();
    let error = tenancy.create(&"TH001".parse().unwrap(), NewTenant::named("x"));
    let CreateError::Storage(error @ StorageError::DanglingReference { .. }) = error.unwrap_err()
    else {
        panic!("not refused");
    };
    assert_eq!(
        error.to_string(),
        "`audits` has a foreign key to `users`, which is not in the tenant database: every insert into it would \
         fail; keep the id without REFERENCES"
    );
}

#[test]
fn migrating_the_shared_database_again_has_nothing_to_do() {
    let fleet = fleet();
    assert!(fleet.tenancy.migrate_shared().unwrap().is_empty());
}

/// A catalogue that the first build of the library has made is brought up to this one's, and a newer one is refused.
#[test]
fn an_older_catalogue_is_brought_up_to_date_and_a_newer_one_refused() {
    const FIRST: &str = include_str!("../../migrations/sqlite/catalog/0001_catalog/up.sql");
    let fleet = fleet();
    let root = fleet.root.clone();
    let mut shared =
        SqliteConnection::establish(root.join("shared.sqlite3").to_str().unwrap()).unwrap();
    let uuid = fleet
        .tenancy
        .shared()
        .unwrap()
        .unrouted("the catalogue's own", |raw| {
            diesel::sql_query("SELECT hex(uuid) AS name FROM __tenants_catalog")
                .get_result::<Name>(raw)
        });
    let uuid = uuid.unwrap().name;
    drop(fleet.tenancy);
    let tables = diesel::sql_query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE '\\_\\_tenants\\_%' ESCAPE '\\'
         AND name NOT IN ('__tenants_identity', '__tenants_migrations')",
    );
    let tables = diesel::RunQueryDsl::load::<Name>(tables, &mut shared).unwrap();
    shared.batch_execute("PRAGMA foreign_keys = OFF").unwrap();
    for table in tables {
        shared
            .batch_execute(&format!("DROP TABLE {}", table.name))
            .unwrap();
    }
    shared.batch_execute(FIRST).unwrap();
    let row = format!("INSERT INTO __tenants_catalog VALUES (1, x'{uuid}', 1, 0, 0)");
    shared.batch_execute(&row).unwrap();

    let tenancy = builder(&root).open().unwrap();
    let tenant = tenancy
        .create(&"TH001".parse().unwrap(), NewTenant::named("x"))
        .unwrap();
    tenancy.compact(&tenant.id()).unwrap();
    drop(tenancy);

    shared
        .batch_execute("UPDATE __tenants_catalog SET format = 1000")
        .unwrap();
    let error = builder(&root).open().unwrap_err();
    assert!(
        matches!(
            error,
            Error::Setup(SetupError::CatalogAhead { found: 1000, .. })
        ),
        "{error:?}"
    );
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
}
