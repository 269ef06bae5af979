//! Backups that a restored catalogue does not know.
use super::*;
use diesel_tenants::Backups;

fn shared_in(directory: &Path) -> PathBuf {
    let backups = Backups::<SqliteConnection>::at(directory).unwrap();
    let mut list = backups.list().iter();
    list.find(|b| b.tenant.is_none()).unwrap().path.clone()
}

/// However many there are, it is one transaction: killed in the middle none is known, called again all are.
#[cfg(feature = "failpoints")]
#[test]
fn all_are_found_or_none() {
    use diesel::sql_types::BigInt;

    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }
    let (fleet, tenant, _backup) = backed_up();
    let tenancy = &fleet.tenancy;
    tenancy.backup_shared(&BackupOptions::new()).unwrap();
    for _ in 0..3 {
        tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    }
    drop(tenant);
    let (root, _dir) = fleet.close();
    let mut command = crate::actors::command("restore shared", &root);
    command.env("DIESEL_TENANTS_FAILPOINT", "restore-shared.adopted:3=kill");
    assert!(crashes::run(command));
    let shared = root.join("shared.sqlite3");
    let mut conn =
        <SqliteConnection as diesel::Connection>::establish(shared.to_str().unwrap()).unwrap();
    let counting = "SELECT count(*) AS count FROM __tenants_backups WHERE state = 'good'";
    let good: Count =
        diesel::RunQueryDsl::get_result(diesel::sql_query(counting), &mut conn).unwrap();
    assert_eq!(good.count, 1, "the one of before");
    drop(conn);
    let again = builder(&root).restore_shared(shared_in(&root.join("backups")));
    assert_eq!(again.unwrap().backups, 3);
    let tenancy = world::check(&root);
    assert_eq!(tenancy.backups(&BackupFilter::all()).unwrap().len(), 5);
}

/// Backups that were put elsewhere since: beside the one that is restored, and where one of before is.
#[test]
fn those_in_other_directories_are_found_too() {
    let (fleet, tenant, _backup) = backed_up();
    let dir = tempfile::tempdir().unwrap();
    let [beside, named] = ["beside", "named"].map(|name| dir.path().join(name));
    let take = |directory: &Path| {
        let to = BackupOptions::new().directory(directory);
        fleet.tenancy.backup(&id(), &to).unwrap().id
    };
    for directory in [&beside, &named] {
        fs::create_dir(directory).unwrap();
    }
    take(&named);
    let to = BackupOptions::new().directory(&beside);
    let shared = fleet.tenancy.backup_shared(&to).unwrap();
    let mut since = [take(&beside), take(&named)];
    since.sort();
    drop(tenant);
    let (root, _dir) = fleet.close();
    // Carried away, so that it is not where its catalogue says.
    let carried = dir.path().join("carried");
    fs::rename(&beside, &carried).unwrap();
    let restored = builder(&root).restore_shared(shared_in(&carried)).unwrap();
    assert_eq!((restored.backup, restored.backups), (shared.id, 2));
    let tenancy = builder(&root).open().unwrap();
    for backup in since {
        tenancy.verify_backup(&BackupRef::id(backup)).unwrap();
        // It is where the catalogue says, and is removed from there.
        tenancy.remove_backup(backup).unwrap();
    }
    assert_eq!(tenancy.backups(&BackupFilter::all()).unwrap().len(), 3);
}
