//! The shared database from a backup: an old catalogue must not undo what happened since.
use super::*;
use diesel_tenants::BackupSetOptions;
use diesel_tenants::SetupError;

mod found;

/// A data directory nobody has open, whose shared database was backed up before much else happened.
fn then_and_now(root: &Path) {
    let tenancy = builder(root).open().unwrap();
    let tenant = tenancy.create(&id(), NewTenant::named("x")).unwrap();
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    let set = tenancy
        .backup_all(&BackupSetOptions::new(), |_| {})
        .unwrap();
    let backup = &set.members[0];
    admit(&mut tenant.enter().unwrap(), "after").unwrap();
    tenancy
        .restore(&id(), &BackupRef::from(backup), &confirmed())
        .unwrap();
    admit(&mut tenant.enter().unwrap(), "newest").unwrap();
    let new = tenancy
        .create(&"TH002".parse().unwrap(), NewTenant::named("y"))
        .unwrap();
    admit(&mut new.enter().unwrap(), "only here").unwrap();
}

fn shared_backup(root: &Path) -> PathBuf {
    let backups = diesel_tenants::Backups::<SqliteConnection>::at(root.join("backups")).unwrap();
    let shared = backups.list().iter().find(|b| b.tenant.is_none());
    shared.unwrap().path.clone()
}

pub(super) fn play(root: &Path) {
    builder(root).restore_shared(shared_backup(root)).unwrap();
    say("restored");
}

/// Some system call of the first attempt may fail. What it leaves is finished by calling it again.
pub(super) fn play_twice(root: &Path) {
    say("ready");
    crate::actors::told();
    let first = builder(root).restore_shared(shared_backup(root));
    say(match &first {
        Ok(_) => "restored".to_owned(),
        Err(error) => format!("{error:?}"),
    });
    crate::actors::told();
    // A call may have two names, and each of them fails once.
    let again = || builder(root).restore_shared(shared_backup(root)).is_ok();
    assert!((0..3).any(|_| again()));
    say("done");
}

/// Finishes what was cut short, or finds it not begun. Returns whether the shared database is the restored one.
fn settled(root: &Path) -> bool {
    match builder(root).open() {
        Err(diesel_tenants::Error::Setup(SetupError::SharedRestoreUnfinished)) => play(root),
        other => drop(other.unwrap()),
    }
    let tenancy = builder(root).open().unwrap();
    let found = tenancy.reclaimable().unwrap();
    // The one that was created since is to be reclaimed, or was never lost.
    assert_eq!(tenancy.tenants().unwrap().len() + found.len(), 2);
    for orphan in &found {
        let new = NewTenant::named("found again");
        tenancy.reclaim_orphan(orphan.uuid, new).unwrap();
    }
    drop(tenancy);
    assert_eq!(world::rows(&world::check(root)), ["before", "newest"]);
    !found.is_empty()
}

/// What must be so whenever the restore is finished.
fn finished(root: &Path) {
    let tenancy = builder(root).open().unwrap();
    assert_eq!(world::rows(&tenancy), ["before", "newest"]);
    assert_eq!(tenancy.tenants().unwrap()[0].generation, 2);
    assert_eq!(tenancy.old_generations(&id()).unwrap().len(), 1);
    let orphans = tenancy.reclaimable().unwrap();
    assert_eq!(orphans.len(), 1);
    let new = NewTenant::named("found again");
    let found = tenancy.reclaim_orphan(orphans[0].uuid, new).unwrap();
    assert_eq!(names(&mut found.enter().unwrap()), ["only here"]);
    assert!(tenancy.reclaimable().unwrap().is_empty());
    // The backup it was made of was still being made in its own catalogue, and so was its set.
    assert_eq!(tenancy.backups(&BackupFilter::shared()).unwrap().len(), 1);
    assert_eq!(tenancy.backups(&BackupFilter::all()).unwrap().len(), 3);
    let listed = diesel_tenants::Backups::<SqliteConnection>::at(root.join("backups")).unwrap();
    assert_eq!(listed.sets().len(), 1);
    tenancy.undo(&id(), "TH001").unwrap();
    assert_eq!(world::rows(&tenancy), ["before", "after"]);
    drop((found, tenancy));
    world::check(root);
}

#[test]
fn what_happened_since_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let backup = shared_backup(&root);
    let open = builder(&root).open().unwrap();
    let error = builder(&root).restore_shared(&backup).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the data directory is open 1 times; end those processes first"
    );
    assert_eq!(world::rows(&open), ["before", "newest"]);
    drop(open);
    let restored = builder(&root).restore_shared(&backup).unwrap();
    let (tenant, from, to) = restored.moved[0];
    assert_eq!((tenant.id, from, to), (id(), 1, 2));
    assert_eq!(restored.orphans[0].id, "TH002".parse().unwrap());
    assert!(restored.missing.is_empty());
    assert_eq!(restored.backups, 1);
    assert!(restored.aside.unwrap().exists());
    finished(&root);
}

#[test]
fn a_lost_or_damaged_shared_database_is_replaced() {
    for lost in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        then_and_now(&root);
        match lost {
            true => fs::remove_file(root.join("shared.sqlite3")).unwrap(),
            false => fs::write(root.join("shared.sqlite3"), "x".repeat(4096)).unwrap(),
        }
        assert!(builder(&root).open().is_err());
        let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
        assert_eq!(restored.aside.is_none(), lost);
        finished(&root);
    }
}

/// A purge leaves a mark beside the catalogue. An old catalogue does not bring the tenant back.
#[test]
fn a_tenant_that_was_purged_is_no_orphan() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let tenancy = builder(&root).open().unwrap();
    let uuid = tenancy
        .handle(&"TH002".parse().unwrap())
        .unwrap()
        .record()
        .unwrap()
        .uuid;
    drop(tenancy);
    let tombstones = root.join("tombstones");
    fs::create_dir_all(&tombstones).unwrap();
    fs::set_permissions(
        &tombstones,
        std::os::unix::fs::PermissionsExt::from_mode(0o700),
    )
    .unwrap();
    fs::write(tombstones.join(format!("{}.json", uuid.simple())), "{}").unwrap();
    let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
    assert!(restored.orphans.is_empty());
    assert!(
        builder(&root)
            .open()
            .unwrap()
            .reclaimable()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn other_backups_are_refused_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let backups = diesel_tenants::Backups::<SqliteConnection>::at(root.join("backups")).unwrap();
    let tenants = backups.list().iter().find(|b| b.tenant.is_some()).unwrap();
    let error = builder(&root).restore_shared(&tenants.path).unwrap_err();
    assert!(matches!(error, RestoreError::NotShared { .. }), "{error}");
    let (elsewhere, _, _) = backed_up();
    let foreign = elsewhere
        .tenancy
        .backup_shared(&BackupOptions::new())
        .unwrap();
    let error = builder(&root).restore_shared(&foreign.path).unwrap_err();
    assert!(
        matches!(error, RestoreError::WrongCatalog { .. }),
        "{error}"
    );
    let shared = shared_backup(&root).join("db.sqlite3");
    let mut bytes = fs::read(&shared).unwrap();
    bytes[5000] ^= 1;
    fs::write(&shared, bytes).unwrap();
    let error = builder(&root)
        .restore_shared(shared_backup(&root))
        .unwrap_err();
    assert!(
        matches!(
            error.invalid_backup(),
            Some(InvalidBackup::HashMismatch { .. })
        ),
        "{error}"
    );
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(world::rows(&tenancy), ["before", "newest"]);
    assert!(!root.join(".restore-shared.sqlite3").exists());
}

/// What is looked at of a tenant's backup is looked at of this one.
#[test]
fn one_that_was_changed_on_purpose_is_refused() {
    type Change = fn(&Path);
    let drift: Change = |backup| {
        let database = backup.join("db.sqlite3");
        let mut raw = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
        raw.batch_execute(
            "PRAGMA journal_mode = DELETE; CREATE VIEW everybody AS SELECT * FROM users;",
        )
        .unwrap();
        super::refused::forge(backup, str::to_owned);
    };
    let rows: Change = |backup| {
        super::refused::forge(backup, |told| told.replace("\"users\":0", "\"users\":7"));
    };
    for (change, wanted) in [
        (drift, "WrongManifest"),
        (rows, "WrongManifest"),
        (
            |backup| {
                let file = backup.join("db.sqlite3");
                let whole = fs::read(&file).unwrap();
                fs::write(&file, &whole[..whole.len() - 4096]).unwrap();
            },
            "Truncated",
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        then_and_now(&root);
        let backup = shared_backup(&root);
        change(&backup);
        let error = builder(&root).restore_shared(&backup).unwrap_err();
        let found = format!("{:?}", error.invalid_backup().expect(wanted));
        assert!(found.starts_with(wanted), "{found}");
        assert_eq!(
            world::rows(&builder(&root).open().unwrap()),
            ["before", "newest"]
        );
        assert!(!root.join(".restore-shared.sqlite3").exists());
    }
}

/// The backup was taken in the middle of an operation that has ended since, one way or the other: what its catalogue
/// believes is being done is not undone in the database that is in use.
#[cfg(feature = "failpoints")]
#[test]
fn an_operation_that_was_under_way_then_ended_long_ago() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    crashes::with_rows(&root);
    let (mut compacting, go_on) =
        crashes::paused("compact", &root, "generation.published", dir.path());
    let tenancy = builder(&root).open().unwrap();
    let record = tenancy.tenants().unwrap().remove(0);
    assert_eq!(record.status, Status::Restoring);
    let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    fs::File::create(go_on).unwrap();
    assert_eq!(compacting.hear().as_deref(), Some("compacted"));
    assert!(compacting.wait().success());
    admit(&mut tenancy.tenant(&id()).unwrap(), "since").unwrap();
    drop(tenancy);

    let restored = builder(&root).restore_shared(&backup.path).unwrap();
    assert_eq!((restored.moved[0].1, restored.moved[0].2), (1, 2));
    let tenancy = world::check(&root);
    let record = tenancy.tenants().unwrap().remove(0);
    assert_eq!((record.status, record.generation), (Status::Active, 2));
    assert_eq!(world::rows(&tenancy), ["one", "two", "three", "since"]);
    // The next number is one that was never used.
    assert_eq!(tenancy.compact(&id()).unwrap().generation, 3);
}

/// The same of one that was given up, after which the tenant has moved on: undone now, it would move the tenant back.
#[cfg(feature = "failpoints")]
#[test]
fn an_operation_that_was_given_up_since_is_not_given_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    crashes::with_rows(&root);
    let (mut compacting, _) = crashes::paused("compact", &root, "generation.fenced", dir.path());
    let tenancy = builder(&root).open().unwrap();
    let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    compacting.kill();
    tenancy.recover().unwrap();
    tenancy.compact(&id()).unwrap();
    admit(&mut tenancy.tenant(&id()).unwrap(), "since").unwrap();
    let generation = tenancy.tenants().unwrap()[0].generation;
    assert!(generation > 2);
    drop(tenancy);

    builder(&root).restore_shared(&backup.path).unwrap();
    let tenancy = world::check(&root);
    assert_eq!(tenancy.tenants().unwrap()[0].generation, generation);
    assert_eq!(world::rows(&tenancy), ["one", "two", "three", "since"]);
}

/// What another catalogue has left in the directory is none of this one's.
#[test]
fn databases_of_another_catalogue_are_no_orphans() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let (other, tenant, _) = backed_up();
    let foreign = other.file(&tenant, 1).parent().unwrap().to_owned();
    drop(tenant);
    let name = foreign.file_name().unwrap();
    crashes::copy(&foreign, &root.join("tenants").join(name));
    let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
    let second = "TH002".parse().unwrap();
    assert!(restored.orphans.iter().map(|orphan| orphan.id).eq([second]));
    let tenancy = builder(&root).open().unwrap();
    let found = tenancy.reclaimable().unwrap();
    assert!(found.iter().map(|orphan| orphan.id).eq([second]));
}

/// Backups of another catalogue may lie in the same directory; those that are gone are not listed any more.
#[test]
fn the_backups_that_are_there_are_those_that_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let elsewhere = tempfile::tempdir().unwrap();
    let tenancy = builder(&root).open().unwrap();
    tenancy.create(&id(), NewTenant::named("x")).unwrap();
    let take = |options: &BackupOptions| tenancy.backup(&id(), options).unwrap();
    let (gone, pinned) = (take(&BackupOptions::new()), take(&BackupOptions::new()));
    tenancy.pin_backup(pinned.id, true).unwrap();
    let away = take(&BackupOptions::new().directory(elsewhere.path()));
    let shared = tenancy
        .backup_shared(&BackupOptions::new().directory(elsewhere.path()))
        .unwrap();
    tenancy.remove_backup(gone.id).unwrap();
    let later = take(&BackupOptions::new());
    drop(tenancy);
    let (_other, _, foreign) = backed_up();
    let name = foreign.path.file_name().unwrap();
    crashes::copy(&foreign.path, &root.join("backups").join(name));

    let restored = builder(&root).restore_shared(&shared.path).unwrap();
    assert_eq!(restored.backups, 1);
    let tenancy = builder(&root).open().unwrap();
    let mut listed = tenancy.backups(&BackupFilter::all()).unwrap();
    let is_pinned = listed.iter().find(|backup| backup.id == pinned.id);
    assert!(is_pinned.unwrap().pinned);
    listed.sort_by_key(|backup| backup.id);
    let mut wanted = [pinned.id, away.id, shared.id, later.id];
    wanted.sort();
    assert!(
        listed.iter().map(|backup| backup.id).eq(wanted),
        "{listed:?}"
    );
    for backup in &listed {
        tenancy.verify_backup(&BackupRef::from(backup)).unwrap();
    }
}

/// The disk with the backups was not mounted, and every one of them was forgotten: a restored catalogue knew of none.
#[test]
fn where_the_disk_of_the_backups_is_not_mounted_they_stay_listed() {
    for has_a_mark_of_its_own in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let elsewhere = tempfile::tempdir().unwrap();
        let tenancy = builder(&root).open().unwrap();
        tenancy.create(&id(), NewTenant::named("x")).unwrap();
        let of_tenant = tenancy.backup(&id(), &BackupOptions::new()).unwrap();
        let set = tenancy
            .backup_all(&BackupSetOptions::new(), |_| {})
            .unwrap();
        let options = BackupOptions::new().directory(elsewhere.path());
        let shared = tenancy.backup_shared(&options).unwrap();
        drop(tenancy);
        let (backups, disk) = (root.join("backups"), dir.path().join("disk"));
        fs::rename(&backups, &disk).unwrap();
        fs::create_dir(&backups).unwrap();
        let permissions = fs::metadata(&disk).unwrap().permissions();
        fs::set_permissions(&backups, permissions).unwrap();
        if has_a_mark_of_its_own {
            let tenancy = builder(&root).open().unwrap();
            tenancy.backup(&id(), &BackupOptions::new()).unwrap();
        }
        builder(&root).restore_shared(&shared.path).unwrap();
        let tenancy = builder(&root).open().unwrap();
        let listed = tenancy.backups(&BackupFilter::all()).unwrap();
        let members = set.members.iter().map(|member| member.id);
        for known in members.chain([of_tenant.id]) {
            assert!(listed.iter().any(|backup| backup.id == known), "{listed:?}");
        }
        let file = root.join("shared.sqlite3");
        let mut raw = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
        let sets = diesel::dsl::sql::<diesel::sql_types::BigInt>(
            "(SELECT count(*) FROM __tenants_backup_sets)",
        );
        let sets = diesel::RunQueryDsl::get_result::<i64>(diesel::select(sets), &mut raw).unwrap();
        assert_eq!(sets, 1);
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_at_every_step_it_is_finished_by_calling_it_again() {
    const FAILPOINT: &str = "DIESEL_TENANTS_FAILPOINT";
    let points = [
        "staged",
        "begun",
        "checkpointed",
        "aside",
        "published",
        "reconciled",
        "unfenced",
        "closed",
    ];
    let dir = tempfile::tempdir().unwrap();
    let start = dir.path().join("start");
    then_and_now(&start);
    for (number, point) in points.iter().enumerate() {
        let root = dir.path().join(point);
        crashes::copy(&start, &root);
        let mut command = crate::actors::command("restore shared", &root);
        command.env(FAILPOINT, format!("restore-shared.{point}=kill"));
        assert!(crashes::run(command), "{point} was not reached");
        match builder(&root).open() {
            Ok(tenancy) => {
                assert!(number == 0 || number == points.len() - 1, "{point}");
                assert_eq!(world::rows(&tenancy), ["before", "newest"]);
            }
            Err(diesel_tenants::Error::Setup(SetupError::SharedRestoreUnfinished)) => {
                assert!((1..points.len() - 1).contains(&number), "{point}");
            }
            Err(error) => panic!("{point}: {error:?}"),
        }
        play(&root);
        finished(&root);
        fs::remove_dir_all(root).unwrap();
    }
}

/// Tries, and says how it went; then once more, which succeeds.
pub(super) fn play_or_fail(root: &Path) {
    let backup = shared_backup(root);
    say("ready");
    crate::actors::told();
    say(match builder(root).restore_shared(&backup) {
        Ok(_) => "restored".to_owned(),
        Err(error) => format!("{error:?}"),
    });
    crate::actors::told();
    builder(root).restore_shared(&backup).unwrap();
    say("done");
}

/// The copy is made, the marker stands, and the copy goes: nothing was restored, whatever the marker says.
#[cfg(feature = "failpoints")]
#[test]
fn a_copy_that_is_gone_was_not_restored() {
    for point in ["begun", "aside"] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        then_and_now(&root);
        let mut command = crate::actors::command("restore shared", &root);
        let failpoint = format!("restore-shared.{point}=kill");
        command.env("DIESEL_TENANTS_FAILPOINT", failpoint);
        assert!(crashes::run(command));
        fs::remove_file(root.join(".restore-shared.sqlite3")).unwrap();
        let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
        assert_eq!(restored.moved.len(), 1, "{point}: {restored:?}");
        assert_eq!(restored.orphans.len(), 1, "{point}: {restored:?}");
        finished(&root);
    }
}

/// A disk that fails at a call of the first attempt: who is told that it is restored has it restored, and who is told
/// that it is not can try again.
#[test]
fn a_failing_disk_does_not_make_it_say_what_is_not_so() {
    if !crashes::strace_works() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let start = dir.path().join("start");
    then_and_now(&start);
    let mut failures = 0;
    for (calls, error) in [("fsync,fdatasync", "EIO"), ("?renameat2,?rename", "EIO")] {
        // A few names and syncs decide, so this takes every second one at least.
        for n in (1..).step_by(crashes::step().min(2)) {
            let root = dir.path().join("failed");
            crashes::copy(&start, &root);
            let mut strace = std::process::Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null"]);
            let inject = format!("inject={calls}:error={error}:when={n}");
            strace.args(["-e", &format!("trace={calls}"), "-e", &inject]);
            let part = "restore shared or fail";
            let mut actor = Actor::from(crate::actors::command_under(strace, part, &root));
            let mut said = Vec::new();
            while let Some(word) = actor.hear() {
                said.push(word);
                if said.len() < 3 {
                    actor.tell("go on");
                }
            }
            drop(actor);
            let restored = said[1] == "restored";
            failures += usize::from(!restored);
            // Each call of the set is counted by itself, so one of the second time may have failed, too.
            if said.last().is_none_or(|last| last != "done") {
                play(&root);
            }
            finished(&root);
            fs::remove_dir_all(&root).unwrap();
            if restored {
                break;
            }
        }
    }
    assert!(failures >= 3, "{failures}: the sweep did not get far");
}

/// An operation that is killed leaves its fence in the newest database. That is no reason to take an older one.
#[cfg(feature = "failpoints")]
#[test]
fn a_fenced_database_is_found_and_used() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let mut command = crate::actors::command("restore", &root);
    command.env("DIESEL_TENANTS_FAILPOINT", "generation.fenced=kill");
    assert!(crashes::run(command));
    fs::remove_file(root.join("shared.sqlite3")).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(root.join(format!("shared.sqlite3{suffix}")));
    }
    let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
    assert!(restored.missing.is_empty(), "{restored:?}");
    assert!(restored.unreadable.is_empty(), "{restored:?}");
    assert_eq!((restored.moved[0].1, restored.moved[0].2), (1, 2));
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(world::rows(&tenancy), ["before", "newest"]);
    assert_eq!(tenancy.old_generations(&id()).unwrap().len(), 1);
    let backups = tenancy.backups(&BackupFilter::tenant(&id())).unwrap();
    let backup = BackupRef::from(&backups[0]);
    let again = tenancy.restore(&id(), &backup, &confirmed()).unwrap();
    assert!(again.generation > 2);
}

/// The file of generation 2 of TH001, which is its newest.
fn newest_file(root: &Path) -> PathBuf {
    let directories = fs::read_dir(root.join("tenants")).unwrap();
    let mut paths = directories.map(|entry| entry.unwrap().path());
    let its = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("th001-")
    };
    paths.find(its).unwrap().join("g2.sqlite3")
}

#[test]
fn a_database_that_cannot_be_read_is_not_missing_and_no_older_one_is_served() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let file = newest_file(&root);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
    assert!(restored.missing.is_empty(), "{restored:?}");
    let [unreadable] = &restored.unreadable[..] else {
        panic!("{restored:?}");
    };
    assert_eq!(unreadable.tenant.unwrap().id, id());
    assert!(unreadable.file.ends_with("/g2.sqlite3"), "{unreadable:?}");
    let tenancy = builder(&root).open().unwrap();
    assert!(tenancy.tenant(&id()).is_err());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(world::rows(&tenancy), ["before", "newest"]);
    drop(tenancy);
    finished(&root);
}

/// One page of one tenant's database is damaged: the shared database of the fleet is restored all the same.
#[test]
fn a_damaged_tenant_does_not_keep_the_others_from_being_found() {
    #[derive(QueryableByName)]
    struct Page {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        at: i64,
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let file = newest_file(&root);
    // Its ledger, so that it can be opened and says whose it is.
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let page = diesel::sql_query(
        "SELECT (rootpage - 1) * (SELECT page_size FROM pragma_page_size) AS at
         FROM sqlite_schema WHERE name = '__tenants_migrations'",
    );
    let page = diesel::RunQueryDsl::get_result::<Page>(page, &mut conn).unwrap();
    drop(conn);
    let mut bytes = fs::read(&file).unwrap();
    bytes[page.at as usize..][..512].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
    assert_eq!(restored.unreadable.len(), 1, "{restored:?}");
    assert_eq!(restored.unreadable[0].tenant.unwrap().id, id());
    assert_eq!(restored.orphans.len(), 1);
    let tenancy = builder(&root).open().unwrap();
    let orphan = tenancy.reclaimable().unwrap()[0];
    let new = NewTenant::named("found again");
    let found = tenancy.reclaim_orphan(orphan.uuid, new).unwrap();
    assert_eq!(names(&mut found.enter().unwrap()), ["only here"]);
}

/// A deletion that was taken back after the backup is in it, and no purge may go by a date from before.
#[test]
fn nothing_is_due_after_a_restore_until_somebody_decides_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    tenancy.create(&id(), NewTenant::named("x")).unwrap();
    crate::app::delete_at_once(&tenancy, &id());
    let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    tenancy.undelete(&id()).unwrap();
    drop(tenancy);
    let restored = builder(&root).restore_shared(&backup.path).unwrap();
    assert_eq!(restored.undated.len(), 1, "{restored:?}");
    assert_eq!(restored.undated[0].id, id());
    let tenancy = builder(&root).open().unwrap();
    assert!(tenancy.due().unwrap().is_empty());
    let error = tenancy.purge(&id(), "TH001").unwrap_err();
    assert!(error.to_string().contains("delete"), "{error}");
    assert!(tenancy.verify_audit().unwrap().is_intact());
    drop(tenancy);
    world::check(&root);
}

#[test]
fn killed_at_any_system_call_it_is_finished_by_calling_it_again() {
    if !crashes::strace_works() {
        return;
    }
    let kills = crashes::kill_and_look("restore shared", then_and_now, |root| {
        settled(root);
    });
    assert!(kills >= 8, "{kills}: the sweep did not get far");
}

#[test]
fn on_a_full_or_failing_disk_it_fails_whole_or_is_finished_by_calling_it_again() {
    if !crashes::strace_works() {
        return;
    }
    let failures = crashes::fail_and_look("restore shared twice", then_and_now, |root| {
        settled(root);
    });
    assert!(failures >= 4, "{failures}: the sweep did not get far");
}

#[test]
fn the_power_may_fail_at_any_moment() {
    if crashes::strace_works() {
        let failures = crate::power::fail_power_and_look("restore shared", then_and_now, settled);
        assert!(failures >= 10, "{failures}: the sweep did not get far");
    }
}
