//! What people do with `cp` and `rm`, what comes of it, and what comes of the same here.
use super::*;

use crate::app::delete_at_once;
use crate::app::patients;

/// The names in a database file that is nobody's, opened as any program would.
fn names_in(file: &Path) -> QueryResult<Vec<String>> {
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let names = patients::table.select(patients::name).order(patients::id);
    diesel::RunQueryDsl::load(names, &mut conn)
}

fn side(file: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", file.display()))
}

/// A process writes rows and is killed: they are in the `-wal` that it leaves.
fn killed_writer(root: &Path) -> usize {
    let mut writer = Actor::spawn("write", root);
    assert_eq!(writer.hear().unwrap(), "ready");
    for _ in 0..30 {
        writer.hear().unwrap();
    }
    writer.kill();
    30
}

#[test]
fn x1_a_plain_copy_loses_rows_and_a_backup_does_not() {
    let (fleet, tenant, _) = backed_up();
    let mut ctx = tenant.enter().unwrap();
    for number in 0..100 {
        admit(&mut ctx, &format!("row {number}")).unwrap();
    }
    let scratch = tempfile::tempdir().unwrap();
    let copied = scratch.path().join("copy.sqlite3");
    crashes::copy(&fleet.file(&tenant, 1), &copied);
    let copied = names_in(&copied).unwrap_or_default();
    assert!(copied.len() < 101, "the rows were not in the WAL");
    let backup = fleet.tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    drop(ctx);
    fleet.tenancy.recreate(&id(), "TH001").unwrap();
    let backup = BackupRef::from(&backup);
    fleet.tenancy.restore(&id(), &backup, &confirmed()).unwrap();
    assert_eq!(world::rows(&fleet.tenancy).len(), 101);
}

#[test]
fn x2_a_leftover_wal_does_not_undo_a_restore() {
    let (fleet, tenant, backup) = backed_up();
    killed_writer(&fleet.root);
    let scratch = tempfile::tempdir().unwrap();
    let file = fleet.file(&tenant, 1);
    let wal = scratch.path().join("wal");
    crashes::copy(&side(&file, "-wal"), &wal);

    // The recipe: the backup is copied over the database, and what was written after it comes back.
    let recipe = scratch.path().join("db.sqlite3");
    crashes::copy(&backup.path.join("db.sqlite3"), &recipe);
    crashes::copy(&wal, &side(&recipe, "-wal"));
    assert!(names_in(&recipe).unwrap().len() > 1, "nothing came back");

    let reference = BackupRef::from(&backup);
    fleet
        .tenancy
        .restore(&id(), &reference, &confirmed())
        .unwrap();
    assert_eq!(world::rows(&fleet.tenancy), ["before"]);
    // One that lies where the next generation would be stops the restore.
    crashes::copy(&wal, &side(&fleet.file(&tenant, 3), "-wal"));
    let restored = fleet.tenancy.restore(&id(), &reference, &confirmed());
    let error = restored.unwrap_err();
    assert!(error.to_string().contains("is not fresh"), "{error}");
    fs::remove_file(side(&fleet.file(&tenant, 3), "-wal")).unwrap();
    let root = fleet.root.clone();
    drop(tenant);
    assert_eq!(world::rows(&world::check(&root)), ["before"]);
}

#[test]
fn x3_the_rows_of_a_deleted_tenant_do_not_come_back() {
    let (fleet, tenant, _) = backed_up();
    killed_writer(&fleet.root);
    let scratch = tempfile::tempdir().unwrap();
    let file = fleet.file(&tenant, 1);
    let wal = scratch.path().join("wal");
    crashes::copy(&side(&file, "-wal"), &wal);

    // The recipe: the main file is removed, and a new tenant's is copied to where it was.
    let template = fleet.create("TEMPLATE");
    fleet.tenancy.suspend(&template.id()).unwrap();
    let recipe = scratch.path().join("db.sqlite3");
    crashes::copy(&fleet.file(&template, 1), &recipe);
    crashes::copy(&wal, &side(&recipe, "-wal"));
    assert!(!names_in(&recipe).unwrap().is_empty(), "nothing came back");

    delete_at_once(&fleet.tenancy, &id());
    fleet.tenancy.purge(&id(), "TH001").unwrap();
    assert!(!file.parent().unwrap().exists());
    let new = NewTenant::named("of the same name").reuse_retired_id();
    let new = fleet.tenancy.create(&id(), new).unwrap();
    assert!(names(&mut new.enter().unwrap()).is_empty());
    // Nor when the WAL turns up beside the next database of the new one.
    let planted = side(&fleet.file(&new, 2), "-wal");
    crashes::copy(&wal, &planted);
    let error = fleet.tenancy.recreate(&id(), "TH001").unwrap_err();
    assert!(error.to_string().contains("is not fresh"), "{error}");
    fs::remove_file(planted).unwrap();
    assert!(names(&mut new.enter().unwrap()).is_empty());
    world::check(&fleet.root);
}

/// A set of generations and backups, and all of it goes with the tenant.
#[test]
fn a_purge_takes_the_generations_a_restore_kept() {
    let (fleet, tenant, backup) = backed_up();
    let reference = BackupRef::from(&backup);
    fleet
        .tenancy
        .restore(&id(), &reference, &confirmed())
        .unwrap();
    fleet.tenancy.undo(&id(), "TH001").unwrap();
    fleet.tenancy.recreate(&id(), "TH001").unwrap();
    assert_eq!(fleet.tenancy.old_generations(&id()).unwrap().len(), 3);
    let directory = fleet.file(&tenant, 1).parent().unwrap().to_owned();
    delete_at_once(&fleet.tenancy, &id());
    fleet.tenancy.purge(&id(), "TH001").unwrap();
    assert!(!directory.exists());
    world::check(&fleet.root);
}

/// Emptying a tenant is undone like a restore, and undoing that too.
#[test]
fn a_tenant_that_was_emptied_gets_its_rows_back() {
    let (fleet, tenant, _) = backed_up();
    let before = dump(&mut tenant.enter().unwrap());
    fleet.tenancy.recreate(&id(), "TH001").unwrap();
    assert!(names(&mut tenant.enter().unwrap()).is_empty());
    let undone = fleet.tenancy.undo(&id(), "TH001").unwrap();
    assert_eq!((undone.copy_of, undone.kept), (1, Some(2)));
    assert_eq!(dump(&mut tenant.enter().unwrap()), before);
    writable(&fleet.tenancy);
    fleet.tenancy.undo(&id(), "TH001").unwrap();
    assert!(names(&mut tenant.enter().unwrap()).is_empty());
    world::check(&fleet.root);
}

/// A restore takes a backup of what it is there to be rid of. Pruning that keeps one of everything keeps the good one.
#[test]
fn the_backup_of_bad_data_does_not_push_the_good_one_out() {
    let (fleet, _tenant, good) = backed_up();
    let restored = fleet.tenancy.restore(&id(), &(&good).into(), &confirmed());
    let bad = restored.unwrap().safety.unwrap();
    let policy = crate::backup::ONLY_THE_NEWEST;
    let report = fleet.tenancy.prune_backups(&policy, false).unwrap();
    assert!(report.removed.is_empty(), "{report:?}");
    let left = fleet.tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
    assert!(left.iter().map(|it| it.id).eq([bad.id, good.id]));
}
