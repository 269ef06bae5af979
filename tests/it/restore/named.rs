//! What is given in place of a backup's directory.
use super::*;
use diesel_tenants::BackupSetOptions;

fn invalid(error: RestoreError) -> InvalidBackup {
    match error {
        RestoreError::Backup(error) => match *error {
            BackupError::Invalid(invalid) => *invalid,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// The directory of a set names the members that will do; a file is called one.
#[test]
fn a_set_and_a_file_are_told_from_a_damaged_backup() {
    let fleet = fleet();
    for id in ["TH001", "TH002", "TH003", "TH004"] {
        fleet.create(id);
    }
    let options = BackupSetOptions::new().workers(1);
    let set = fleet.tenancy.backup_all(&options, |_| {}).unwrap();
    let of = |tenant: Option<TenantId>| {
        let mut members = set.members.iter();
        let found = members.find(|member| member.tenant.map(|key| key.id) == tenant);
        found.unwrap().path.clone()
    };
    let (own, shared) = (of(Some(id())), of(None));
    let restore = |path: &Path| {
        let backup = BackupRef::path(path);
        let error = fleet.tenancy.restore(&id(), &backup, &confirmed());
        invalid(error.unwrap_err())
    };
    let given = &set.path;
    assert_eq!(
        restore(given).to_string(),
        format!(
            "{given:?} is a set of backups; give the directory of one of them: {own:?} of tenant `TH001`"
        )
    );
    let InvalidBackup::Set { members, .. } =
        invalid(fleet.tenancy.drill(&BackupRef::path(given)).unwrap_err())
    else {
        panic!("a set");
    };
    assert_eq!(members.len(), 5);
    let file = own.join("db.sqlite3");
    assert_eq!(
        restore(&file).to_string(),
        format!("{file:?} is a file; give the directory it is in, if that is the one of a backup")
    );
    assert_eq!(world::rows(&fleet.tenancy), [""; 0]);

    let (root, _dir) = fleet.close();
    let restore = |path: &Path| invalid(builder(&root).restore_shared(path).unwrap_err());
    let error = restore(given);
    let InvalidBackup::Set { members, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(members.as_slice(), [(None, shared.clone())]);
    let is_file = restore(&shared.join("db.sqlite3"));
    assert!(matches!(is_file, InvalidBackup::NotADirectory { .. }));
    // They are where the set is, not where they were. One that is gone is not named.
    let moved = root.with_file_name("moved");
    crashes::copy(&root.join("backups"), &moved);
    fs::remove_dir_all(moved.join(shared.file_name().unwrap())).unwrap();
    let error = restore(&moved.join(given.file_name().unwrap())).to_string();
    assert!(error.ends_with(", or of 1 more"), "{error}");
    assert!(error.contains(moved.to_str().unwrap()), "{error}");
    world::check(&root);
}
