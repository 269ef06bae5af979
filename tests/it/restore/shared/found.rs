//! What an old catalogue believes, and what is found on the disk: nobody is missing who is not, and nothing is used
//! that is not the tenant's.
use super::*;
use crate::app::delete_at_once;

fn other() -> TenantId {
    "TH002".parse().unwrap()
}

/// The directory of the tenant whose id begins with `folded`.
fn directory(root: &Path, folded: &str) -> PathBuf {
    let mut directories = fs::read_dir(root.join("tenants")).unwrap();
    let its = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        name.starts_with(folded)
    };
    directories
        .find_map(|entry| Some(entry.unwrap().path()).filter(its))
        .unwrap()
}

/// A log that belongs to the old database is replayed by SQLite into whatever has that name.
#[test]
fn the_log_of_the_old_database_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    for (name, found) in [("", "damaged"), ("-wal", "its log"), ("-shm", "its index")] {
        let found = format!("{found:x<4096}");
        fs::write(root.join(format!("shared.sqlite3{name}")), found).unwrap();
    }
    let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
    let aside = restored.aside.unwrap();
    for (name, found) in [("", "damaged"), ("-wal", "its log"), ("-shm", "its index")] {
        let mut path = aside.clone().into_os_string();
        path.push(name);
        let aside = fs::read_to_string(path).unwrap();
        assert!(aside.starts_with(found), "{name}");
    }
    finished(&root);
}

/// What was written last and is still in the log only, as after a process was killed, is in what is set aside.
#[test]
fn what_is_set_aside_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let backup = shared_backup(&root);
    let tenancy = builder(&root).open().unwrap();
    let third = "TH003".parse().unwrap();
    tenancy.reserve(&third, NewTenant::named("z")).unwrap();
    // As they are while it is open: the row is in the log.
    let killed = dir.path().join("killed");
    crashes::copy(&root, &killed);
    drop(tenancy);
    assert!(
        fs::metadata(killed.join("shared.sqlite3-wal"))
            .unwrap()
            .len()
            > 0
    );
    let backup = killed.join("backups").join(backup.file_name().unwrap());
    let restored = builder(&killed).restore_shared(backup).unwrap();
    let aside = restored.aside.unwrap();
    let mut raw =
        SqliteConnection::establish(&format!("file:{}?mode=ro&immutable=1", aside.display()))
            .unwrap();
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        found: i64,
    }
    for (what, sql) in [
        (
            "the row",
            "SELECT count(*) AS found FROM __tenants_tenants WHERE folded_id = 'th003'",
        ),
        (
            "that it was replaced",
            "SELECT count(*) AS found FROM __tenants_audit WHERE action = 'catalog.replace'",
        ),
    ] {
        let found = diesel::RunQueryDsl::get_result::<Found>(diesel::sql_query(sql), &mut raw);
        assert_eq!(found.unwrap().found, 1, "{what}");
    }
}

/// What is aside already is not written over, whoever put it there.
#[cfg(feature = "failpoints")]
#[test]
fn what_was_set_aside_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let mut command = crate::actors::command("restore shared", &root);
    command.env("DIESEL_TENANTS_FAILPOINT", "restore-shared.aside=kill");
    assert!(crashes::run(command));
    let live = root.join("shared.sqlite3");
    fs::write(&live, "somebody's").unwrap();
    assert!(builder(&root).restore_shared(shared_backup(&root)).is_err());
    assert_eq!(fs::read_to_string(&live).unwrap(), "somebody's");
    fs::remove_file(&live).unwrap();
    builder(&root).restore_shared(shared_backup(&root)).unwrap();
    finished(&root);
}

/// The copy is lost while it is about to be used: it says so, and is begun anew the next time.
#[cfg(feature = "failpoints")]
#[test]
fn a_copy_that_is_lost_on_the_way_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let point = "restore-shared.begun";
    let go_on = dir.path().join("go on");
    let mut command = crate::actors::command("restore shared or fail", &root);
    command.env(
        "DIESEL_TENANTS_FAILPOINT",
        format!("{point}=pause:{}", go_on.display()),
    );
    let mut actor = Actor::from(command);
    assert_eq!(actor.hear().as_deref(), Some("ready"));
    actor.tell("go on");
    while !dir.path().join("go on.reached").exists() {
        assert!(!actor.is_gone());
        std::thread::yield_now();
    }
    fs::remove_file(root.join(".restore-shared.sqlite3")).unwrap();
    fs::File::create(&go_on).unwrap();
    let said = actor.hear().unwrap();
    assert!(said.starts_with("NothingReplaced"), "{said}");
    // It can be opened again, as it was.
    assert_eq!(
        world::rows(&builder(&root).open().unwrap()),
        ["before", "newest"]
    );
    actor.tell("go on");
    assert_eq!(actor.hear().as_deref(), Some("done"));
    drop(actor);
    finished(&root);
}

/// Purged tenants have no database any more. They are not missing: nobody is to restore them.
#[cfg(feature = "failpoints")]
#[test]
fn who_was_purged_or_is_being_purged_is_not_missing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    let gone = ["TH003", "TH004"].map(|name| name.parse::<TenantId>().unwrap());
    for id in [&id(), &other(), &gone[0], &gone[1]] {
        tenancy.create(id, NewTenant::named("x")).unwrap();
    }
    // One was purged before the backup, of one the purge has begun, one is purged after it.
    delete_at_once(&tenancy, &other());
    tenancy.purge(&other(), "TH002").unwrap();
    delete_at_once(&tenancy, &id());
    delete_at_once(&tenancy, &gone[1]);
    drop(tenancy);
    let (mut purging, _) = crashes::paused("purge", &root, "purge.begun", dir.path());
    let tenancy = builder(&root).open().unwrap();
    let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    purging.kill();
    delete_at_once(&tenancy, &gone[0]);
    tenancy.purge(&gone[0], "TH003").unwrap();
    tenancy.undelete(&gone[1]).unwrap();
    drop(tenancy);
    let restored = builder(&root).restore_shared(&backup.path).unwrap();
    assert!(restored.missing.is_empty(), "{restored:?}");
    let undated: Vec<_> = restored.undated.iter().map(|key| key.id).collect();
    assert_eq!(undated, [gone[1]], "the others are not to be asked about");
    let tenancy = builder(&root).open().unwrap();
    // The purge that had begun is finished, and the tenant that was alive then is not alive again.
    let left = tenancy.tenants().unwrap();
    assert!(
        left.iter().map(|record| record.id).eq([gone[1]]),
        "{left:?}"
    );
    assert!(tenancy.undead().unwrap().is_empty());
}

/// A tenant that was being created then and was not, and one that was reserved: neither has lost anything.
#[cfg(feature = "failpoints")]
#[test]
fn who_never_had_a_database_is_not_missing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    tenancy.reserve(&other(), NewTenant::named("y")).unwrap();
    let (mut creating, _) = crashes::paused("create", &root, "create.journaled", dir.path());
    let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    creating.kill();
    tenancy.recover().unwrap();
    drop(tenancy);
    let restored = builder(&root).restore_shared(&backup.path).unwrap();
    assert!(restored.missing.is_empty(), "{restored:?}");
    let tenancy = world::check(&root);
    let left = tenancy.tenants().unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!((left[0].id, left[0].status), (other(), Status::Reserved));
    tenancy.create(&id(), NewTenant::named("x")).unwrap();
}

/// Another tenant's database under a name of this one's, put there by hand, is not taken for its newest.
#[test]
fn a_name_does_not_make_a_database_a_tenants() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let planted = directory(&root, "th001-").join("g3.sqlite3");
    crashes::copy(&directory(&root, "th002-").join("g1.sqlite3"), &planted);
    let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
    assert!(restored.missing.is_empty(), "{restored:?}");
    let [unreadable] = &restored.unreadable[..] else {
        panic!("{restored:?}");
    };
    assert_eq!(unreadable.tenant.unwrap().id, id());
    assert!(
        unreadable.reason.contains("generation 1 of tenant `TH002`"),
        "{unreadable:?}"
    );
    // In doubt it has what was written last, so nothing is served until somebody has looked.
    let tenancy = builder(&root).open().unwrap();
    assert!(tenancy.tenant(&id()).is_err());
    drop(tenancy);
    fs::remove_file(&planted).unwrap();
    builder(&root).restore_shared(shared_backup(&root)).unwrap();
    finished(&root);
}

/// A directory that cannot be listed may have the newest database in it.
#[test]
fn who_cannot_be_looked_for_is_not_missing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let (its, aside) = (directory(&root, "th001-"), dir.path().join("aside"));
    // As from a disk that fails: it is there, and says nothing.
    fs::rename(&its, &aside).unwrap();
    fs::write(&its, "").unwrap();
    let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
    assert!(restored.missing.is_empty(), "{restored:?}");
    let [unreadable] = &restored.unreadable[..] else {
        panic!("{restored:?}");
    };
    assert_eq!(unreadable.tenant.unwrap().id, id());
    fs::remove_file(&its).unwrap();
    fs::rename(&aside, &its).unwrap();
    builder(&root).restore_shared(shared_backup(&root)).unwrap();
    finished(&root);
}

/// A generation that is kept, by the old catalogue, and was discarded since is not there to be undone to; and the
/// number of the newest is taken even where its file is lost after that.
#[test]
fn what_was_discarded_since_is_not_kept_and_no_number_is_used_twice() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    let tenant = tenancy.create(&id(), NewTenant::named("x")).unwrap();
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    let backup = tenancy.backup(&id(), &BackupOptions::new()).unwrap();
    let restore = |tenancy: &Tenancy| {
        let backup = BackupRef::path(&backup.path);
        tenancy
            .restore(&id(), &backup, &confirmed())
            .unwrap()
            .generation
    };
    assert_eq!(restore(&tenancy), 2);
    let shared = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    let discard = |tenancy: &Tenancy| {
        tenancy
            .discard_old_generations(&id(), Duration::ZERO)
            .unwrap()
            .generations
    };
    assert_eq!(discard(&tenancy), [1]);
    assert_eq!(restore(&tenancy), 3);
    assert_eq!(discard(&tenancy), [2]);
    drop((tenant, tenancy));
    builder(&root).restore_shared(&shared.path).unwrap();
    let tenancy = world::check(&root);
    assert!(tenancy.old_generations(&id()).unwrap().is_empty());
    drop(tenancy);
    fs::remove_file(directory(&root, "th001-").join("g3.sqlite3")).unwrap();
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(restore(&tenancy), 4);
    assert_eq!(world::rows(&tenancy), ["before"]);
}

/// A generation was being discarded then, and is still there: it is kept, and not half of both.
#[cfg(feature = "failpoints")]
#[test]
fn what_was_being_discarded_is_kept_or_gone() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    // Whoever opens the library finishes it, so this one is open before.
    let tenancy = builder(&root).open().unwrap();
    let (mut discarding, _) = crashes::paused("discard", &root, "discard.begun", dir.path());
    let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    discarding.kill();
    drop(tenancy);
    assert!(directory(&root, "th001-").join("g1.sqlite3").exists());
    builder(&root).restore_shared(&backup.path).unwrap();
    let tenancy = world::check(&root);
    assert_eq!(tenancy.old_generations(&id()).unwrap().len(), 1);
    tenancy.undo(&id(), "TH001").unwrap();
    assert_eq!(world::rows(&tenancy), ["before", "after"]);
}

/// Somebody has put an older database back that is not fenced, beside the newest, in which a killed operation has left
/// its fence. What was written last is in the newest.
#[cfg(feature = "failpoints")]
#[test]
fn an_older_database_without_a_fence_is_not_the_newest() {
    let fleet = crate::app::fleet();
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    let shared = fleet.tenancy.backup_shared(&BackupOptions::new()).unwrap();
    let older = directory(&fleet.root, "th001-").join("g1.sqlite3");
    let aside = older.with_extension("aside");
    fleet.tenancy.suspend(&id()).unwrap();
    std::fs::copy(&older, &aside).unwrap();
    fleet.tenancy.resume(&id()).unwrap();
    fleet.tenancy.compact(&id()).unwrap();
    std::fs::rename(&aside, &older).unwrap();
    admit(&mut tenant.enter().unwrap(), "newest").unwrap();
    let crate::app::Fleet {
        tenancy,
        root,
        _dir,
    } = fleet;
    drop((tenant, tenancy));
    let mut command = crate::actors::command("compact", &root);
    command.env("DIESEL_TENANTS_FAILPOINT", "generation.fenced=kill");
    assert!(crashes::run(command));
    let restored = builder(&root).restore_shared(&shared.path).unwrap();
    assert_eq!((restored.moved[0].1, restored.moved[0].2), (1, 2));
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(world::rows(&tenancy), ["before", "newest"]);
}

/// A name of a number that no generation can have is none of a database's.
#[test]
fn a_number_out_of_reach_is_no_generation() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    then_and_now(&root);
    let its = directory(&root, "th001-");
    let planted = its.join("g18446744073709551615.sqlite3");
    fs::write(&planted, "somebody's").unwrap();
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(tenancy.compact(&id()).unwrap().generation, 3);
    drop(tenancy);
    let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
    assert_eq!((restored.moved[0].1, restored.moved[0].2), (1, 3));
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(world::rows(&tenancy), ["before", "newest"]);
    assert_eq!(fs::read_to_string(planted).unwrap(), "somebody's");
}

/// A tenant that was created since, in which a killed operation has left its fence, can be written to once it is back.
#[cfg(feature = "failpoints")]
#[test]
fn who_is_taken_back_has_no_fence() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    let backup = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    drop(tenancy);
    crashes::with_rows(&root);
    let mut command = crate::actors::command("compact", &root);
    command.env("DIESEL_TENANTS_FAILPOINT", "generation.fenced=kill");
    assert!(crashes::run(command));
    let restored = builder(&root).restore_shared(&backup.path).unwrap();
    let tenancy = builder(&root).open().unwrap();
    let new = NewTenant::named("found again");
    let found = tenancy
        .reclaim_orphan(restored.orphans[0].uuid, new)
        .unwrap();
    admit(&mut found.enter().unwrap(), "four").unwrap();
    assert_eq!(world::rows(&tenancy), ["one", "two", "three", "four"]);
}

/// Its place and its name are the tenant's, and it says that it is another's: it is not used.
#[test]
fn a_place_does_not_make_a_database_a_tenants() {
    for change in [
        "catalog_uuid = randomblob(16)",
        // Directories are told apart by the last digits of the uuid.
        "tenant_uuid = CAST(x'0102030405060708090a0b0c' || substr(tenant_uuid, 13) AS BLOB)",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        then_and_now(&root);
        for generation in ["g1.sqlite3", "g2.sqlite3"] {
            let file = directory(&root, "th001-").join(generation);
            let mut raw = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
            let change = format!("UPDATE __tenants_identity SET {change}");
            raw.batch_execute(&change).unwrap();
        }
        let restored = builder(&root).restore_shared(shared_backup(&root)).unwrap();
        assert!(restored.moved.is_empty(), "{restored:?}");
        assert!(restored.missing.iter().map(|key| key.id).eq([id()]));
    }
}
