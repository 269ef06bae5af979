//! Legal holds outlive the catalogue they were laid in.
use super::*;
#[cfg(feature = "failpoints")]
use diesel_tenants::audit::AuditFilter;
use diesel_tenants::{PurgeError, RetentionPolicy};

/// Laid after the backup of the shared database, or lifted.
#[test]
fn a_hold_that_was_laid_since_is_laid_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let other: TenantId = "TH002".parse().unwrap();
    let tenancy = builder(&root).open().unwrap();
    for id in [id(), other] {
        tenancy.create(&id, NewTenant::named("x")).unwrap();
        for _ in 0..2 {
            tenancy.backup(&id, &BackupOptions::new()).unwrap();
        }
        crate::app::delete_at_once(&tenancy, &id);
    }
    let shared = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    for id in [id(), other] {
        tenancy.hold(&id, "case 12").unwrap();
    }
    tenancy.release_hold(&other).unwrap();
    drop(tenancy);

    let restored = builder(&root).restore_shared(&shared.path).unwrap();
    let held: Vec<TenantId> = restored.held.iter().map(|key| key.id).collect();
    assert_eq!(held, [id()]);
    let tenancy = builder(&root).open().unwrap();
    for (id, reason) in [(id(), Some("case 12")), (other, None)] {
        let record = tenancy.handle(&id).unwrap().record().unwrap();
        assert_eq!(record.legal_hold.as_deref(), reason);
        tenancy
            .delete(&id, id.as_str(), diesel_tenants::Retention::NONE)
            .unwrap();
    }
    let refused = tenancy.purge(&id(), "TH001").unwrap_err();
    assert!(matches!(refused, PurgeError::OnHold { .. }), "{refused:?}");
    let one = RetentionPolicy {
        keep_last: 1,
        daily: 0,
        weekly: 0,
        monthly: 0,
        after_purge: None,
    };
    let report = tenancy.prune_backups(&one, false).unwrap();
    let removed = report.removed.iter().filter_map(|b| b.tenant);
    assert!(removed.map(|key| key.id).eq([other]));

    // Lifted, it does not come back. One that an older build laid has no file until the library is opened.
    let files = || fs::read_dir(root.join("holds")).unwrap().count();
    tenancy.release_hold(&id()).unwrap();
    assert_eq!(files(), 0);
    tenancy.hold(&other, "case 13").unwrap();
    drop(tenancy);
    fs::remove_dir_all(root.join("holds")).unwrap();
    drop(builder(&root).open().unwrap());
    assert_eq!(files(), 1);
}

/// Killed after it is written down and before the catalogue knows: nobody was told, and it can be lifted.
#[cfg(feature = "failpoints")]
#[test]
fn killed_on_the_way_a_hold_is_laid_or_can_be_lifted() {
    let (fleet, tenant, _backup) = backed_up();
    let mut command = crate::actors::command("hold TH001", &fleet.root);
    command.env("DIESEL_TENANTS_FAILPOINT", "hold.written=kill");
    assert!(crashes::run(command));
    let files = || fs::read_dir(fleet.root.join("holds")).unwrap().count();
    assert_eq!(
        (files(), tenant.record().unwrap().legal_hold.clone()),
        (1, None)
    );
    fleet.tenancy.release_hold(&id()).unwrap();
    assert_eq!(files(), 0);
}

/// The hold was read when the shared database was restored, of the tenants which that knew, and never again.
#[test]
fn a_hold_outlives_a_catalogue_that_does_not_know_its_tenant_or_was_put_back_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    let shared = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    let tenant = tenancy.create(&id(), NewTenant::named("x")).unwrap();
    let uuid = tenant.uuid();
    drop((tenant, tenancy));
    let (file, aside) = (root.join("shared.sqlite3"), dir.path().join("aside"));
    fs::copy(&file, &aside).unwrap();
    let tenancy = builder(&root).open().unwrap();
    tenancy.hold(&id(), "case 12").unwrap();
    drop(tenancy);
    let hold = |tenancy: &Tenancy| {
        let record = tenancy.handle(&id()).unwrap().record().unwrap();
        record.legal_hold.clone()
    };

    fs::remove_file(&file).unwrap();
    fs::copy(&aside, &file).unwrap();
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(hold(&tenancy).as_deref(), Some("case 12"));
    drop(tenancy);

    let restored = builder(&root).restore_shared(&shared.path).unwrap();
    assert!(restored.held.is_empty());
    let tenancy = builder(&root).open().unwrap();
    let new = || NewTenant::named("x");
    // The terms are those of any new tenant.
    let refused = tenancy.reclaim_orphan(uuid, new().quota(0)).unwrap_err();
    let RestoreError::Create(refused) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        refused.to_string(),
        "a quota of 0 bytes cannot be kept; give 1 to 9223372036854775807 bytes, or none at all"
    );
    tenancy.reclaim_orphan(uuid, new()).unwrap();
    assert_eq!(hold(&tenancy).as_deref(), Some("case 12"));
}

/// Their tenants are not in the catalogue, so that nothing was known of a hold, or of anybody who wants them.
#[test]
fn backups_of_a_tenant_that_the_catalogue_does_not_know_are_kept() {
    use diesel_tenants::Spared;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let tenancy = builder(&root).open().unwrap();
    let shared = tenancy.backup_shared(&BackupOptions::new()).unwrap();
    let mut backups = Vec::new();
    let held: TenantId = "TH002".parse().unwrap();
    for id in [id(), held] {
        tenancy.create(&id, NewTenant::named("x")).unwrap();
        for _ in 0..2 {
            backups.push(tenancy.backup(&id, &BackupOptions::new()).unwrap());
        }
    }
    tenancy.hold(&held, "case 12").unwrap();
    drop(tenancy);
    builder(&root).restore_shared(&shared.path).unwrap();
    let tenancy = builder(&root).open().unwrap();
    let one = RetentionPolicy {
        keep_last: 1,
        daily: 0,
        weekly: 0,
        monthly: 0,
        after_purge: Some(Duration::ZERO),
    };
    let report = tenancy.prune_backups(&one, false).unwrap();
    assert_eq!(report.removed, []);
    let mut spared: Vec<_> = report
        .spared
        .iter()
        .map(|(key, why)| (key.id, *why))
        .collect();
    spared.sort_by_key(|(id, _)| id.to_string());
    assert_eq!(spared, [(id(), Spared::Unknown), (held, Spared::OnHold)]);
    // Somebody may decide that one of them goes, and not of what is held.
    let refused = tenancy.remove_backup(backups[2].id).unwrap_err();
    assert!(matches!(refused, BackupError::OnHold { .. }), "{refused:?}");
    tenancy.remove_backup(backups[0].id).unwrap();
    let there: Vec<bool> = backups.iter().map(|it| it.path.exists()).collect();
    assert_eq!(there, [false, true, true, true]);
}

/// Killed once they were given up: whoever opened the library next removed them, under the hold that was laid since.
#[cfg(feature = "failpoints")]
#[test]
fn what_was_given_up_and_is_whole_is_kept_by_a_hold() {
    let (fleet, _tenant, first) = backed_up();
    let tenancy = &fleet.tenancy;
    tenancy.recreate(&id(), "TH001").unwrap();
    let killed = |part: &str, point: &str| {
        let mut command = crate::actors::command(part, &fleet.root);
        command.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
        assert!(crashes::run(command), "{part}");
    };
    let backups = || tenancy.backups(&BackupFilter::all()).unwrap().len();
    let whole = || {
        let kept = tenancy.old_generations(&id()).unwrap();
        let kept = kept.iter().map(|it| (it.generation, it.replaced_by));
        (kept.collect::<Vec<_>>(), backups())
    };
    let before = whole();
    assert_eq!((before.0.len(), before.1), (1, 2));
    for (part, point, left, entered) in [
        ("discard", "discard.begun", (0, 2), "generation.spare"),
        (
            "remove backup",
            "backup-remove.begun",
            (1, 1),
            "backup.spare",
        ),
    ] {
        killed(part, point);
        let now = whole();
        assert_eq!((now.0.len(), now.1), left);
        tenancy.hold(&id(), "case 12").unwrap();
        assert_eq!(whole(), before, "{part}");
        let entered = AuditFilter::all().action(entered);
        assert_eq!(tenancy.audit_entries(&entered, 9).unwrap().len(), 1);
        tenancy.release_hold(&id()).unwrap();
    }
    let again = world::check(&fleet.root);
    for backup in again.backups(&BackupFilter::all()).unwrap() {
        again.verify_backup(&BackupRef::from(&backup)).unwrap();
    }
    again.undo_to(&id(), 1, "TH001").unwrap();
    assert_eq!(world::rows(&again), ["before"]);
    again.remove_backup(first.id).unwrap();
    drop(again);

    // What is half gone is gone: there is nothing that could be held.
    killed("remove backup", "backup-remove.hidden");
    let left = backups();
    tenancy.hold(&id(), "case 13").unwrap();
    assert_eq!(backups(), left);
    world::check(&fleet.root);
}

/// The one who removes it is alive, and finds the hold when he comes to its files.
#[cfg(feature = "failpoints")]
#[test]
fn a_hold_that_is_laid_while_something_is_being_removed_keeps_it() {
    let (fleet, _tenant, _backup) = backed_up();
    let tenancy = &fleet.tenancy;
    tenancy.recreate(&id(), "TH001").unwrap();
    for (part, point) in [
        ("discard and tell", "discard.begun"),
        ("remove backup and tell", "backup-remove.begun"),
    ] {
        let (mut remover, go_on) =
            crashes::paused(part, &fleet.root, point, fleet.root.parent().unwrap());
        tenancy.hold(&id(), "case 12").unwrap();
        fs::write(go_on, "").unwrap();
        assert_eq!(remover.hear().as_deref(), Some("on hold"), "{part}");
        assert!(remover.wait().success());
        tenancy.release_hold(&id()).unwrap();
    }
    assert_eq!(tenancy.old_generations(&id()).unwrap().len(), 1);
    assert_eq!(tenancy.backups(&BackupFilter::all()).unwrap().len(), 2);
    world::check(&fleet.root);
}

/// Laid and lifted at the same moment by two processes, the one took away what the other had just written down, and a
/// catalogue that was put back knew nothing of the hold.
#[test]
fn what_stands_beside_the_catalogue_is_what_it_says_whoever_is_at_it() {
    let fleet = app::fleet_with(|b| b.freshness(Duration::ZERO));
    let uuid = fleet.create("TH001").uuid();
    let other = fleet.again();
    let file = fleet.root.join(format!("holds/{}.json", uuid.simple()));
    let barrier = std::sync::Barrier::new(2);
    for round in 0..30 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                fleet.tenancy.hold(&id(), "one").unwrap();
            });
            barrier.wait();
            match round % 2 {
                0 => other.hold(&id(), "another").unwrap(),
                _ => other.release_hold(&id()).unwrap(),
            }
        });
        let record = fleet.tenancy.handle(&id()).unwrap().record().unwrap();
        let written = fs::read_to_string(&file).ok();
        let written = written.map(|text| text.contains("another"));
        let laid = record.legal_hold.as_ref().map(|why| why == "another");
        assert_eq!(written, laid, "round {round}");
    }
}

/// What a process died over while it wrote was there for ever, with the reason in it.
#[test]
fn what_dead_processes_were_writing_is_swept() {
    let fleet = app::fleet();
    let uuid = fleet.create("TH001").uuid().simple().to_string();
    let alive = fs::read_dir(fleet.root.join("instances")).unwrap();
    let alive = alive.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let alive: Vec<String> = alive
        .map(|name| name[..name.find('.').unwrap_or(name.len())].into())
        .collect();
    let [alive] = alive.as_slice() else {
        panic!("{alive:?}");
    };
    let alive = alive.replace('-', "");
    let of_the_dead = "0".repeat(31) + "1";
    let holds = |by: &str| fleet.root.join(format!("holds/.new-{uuid}-{by}"));
    let tombstone = fleet.root.join(format!("tombstones/.new-{uuid}.json"));
    for path in [&holds(&alive), &holds(&of_the_dead), &tombstone] {
        fs::write(path, "{").unwrap();
    }
    let sql = |sql: &str| {
        let mut shared = fleet.tenancy.shared().unwrap();
        let done = shared.unrouted("the journal", |raw| raw.connection().batch_execute(sql));
        done.unwrap();
    };
    sql(&format!(
        "INSERT INTO __tenants_operations
         (id, tenant_uuid, kind, instance, prior_status, from_generation, to_generation, started_at)
         VALUES (x'{of_the_dead}', x'{uuid}', 'purge', x'{alive}', 'active', 1, 1, 0)"
    ));
    drop(fleet.again());
    let left = |path: &std::path::Path| path.exists();
    assert!(left(&holds(&alive)) && !left(&holds(&of_the_dead)));
    assert!(left(&tombstone), "somebody may be at it");
    sql("DELETE FROM __tenants_operations WHERE started_at = 0");
    drop(fleet.again());
    assert!(!left(&tombstone));
}

/// What is gone by then was in no report.
#[cfg(feature = "failpoints")]
#[test]
fn a_hold_that_is_laid_in_the_middle_says_what_is_gone() {
    let (fleet, _tenant, _backup) = backed_up();
    let tenancy = &fleet.tenancy;
    for _ in 0..2 {
        tenancy.recreate(&id(), "TH001").unwrap();
    }
    let (mut remover, go_on) = crashes::paused(
        "discard and tell",
        &fleet.root,
        "discard.forgotten",
        fleet.root.parent().unwrap(),
    );
    tenancy.hold(&id(), "case 12").unwrap();
    fs::write(go_on, "").unwrap();
    assert_eq!(
        remover.hear().as_deref(),
        Some(
            "tenant `TH001` is under a legal hold: nothing of it is removed until it is released; \
             before it was laid, generation 2 was removed"
        )
    );
    assert!(remover.wait().success());
    assert_eq!(tenancy.old_generations(&id()).unwrap().len(), 1);
}

/// A data directory nobody has open, whose tenant has a hold that the catalogue knows nothing of, and that hold's file.
fn held_beside_the_catalogue(root: &Path) -> PathBuf {
    let tenancy = builder(root).open().unwrap();
    let tenant = tenancy.create(&id(), NewTenant::named("x")).unwrap();
    tenancy.hold(&id(), "case 12").unwrap();
    let file = root.join(format!("holds/{}.json", tenant.uuid().simple()));
    let text = fs::read(&file).unwrap();
    tenancy.release_hold(&id()).unwrap();
    drop((tenant, tenancy));
    fs::write(&file, text).unwrap();
    file
}

fn raw_shared(root: &Path) -> SqliteConnection {
    let file = root.join("shared.sqlite3");
    SqliteConnection::establish(file.to_str().unwrap()).unwrap()
}

/// Laying another one failed, and took away what would have been laid when the library was opened next.
#[test]
fn a_hold_that_cannot_be_laid_takes_none_away() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let file = held_beside_the_catalogue(&root);
    let aside = dir.path().join("aside");
    fs::rename(&file, &aside).unwrap();
    let tenancy = builder(&root).open().unwrap();
    let mut raw = raw_shared(&root);
    raw.batch_execute(
        "CREATE TRIGGER stop BEFORE UPDATE OF legal_hold ON __tenants_tenants \
         BEGIN SELECT RAISE(ABORT, 'not now'); END",
    )
    .unwrap();
    tenancy.hold(&id(), "case 13").unwrap_err();
    assert!(!file.exists());
    fs::rename(&aside, &file).unwrap();
    tenancy.hold(&id(), "case 13").unwrap_err();
    assert!(file.exists());
    raw.batch_execute("DROP TRIGGER stop").unwrap();
    drop(tenancy);
    let tenancy = builder(&root).open().unwrap();
    let record = tenancy.handle(&id()).unwrap().record().unwrap();
    assert!(record.legal_hold.is_some());
}
