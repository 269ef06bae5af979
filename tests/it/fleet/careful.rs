//! A backup and a look before a tenant is migrated, and waiting for its turn.
use std::fs;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel_tenants::fleet::MigrateTenant;
use diesel_tenants::{BackupFilter, BackupReason};

use super::*;

/// Three tenants of which B1 has rows, and B1's file, which nobody has open.
fn three() -> (Fleet, PathBuf) {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    let b1 = fleet.tenancy.handle(&id("B1")).unwrap();
    for n in 0..2_000 {
        admit(&mut b1.enter().unwrap(), &format!("patient {n}")).unwrap();
    }
    fleet.tenancy.suspend(&id("B1")).unwrap();
    fleet.tenancy.resume(&id("B1")).unwrap();
    let file = fleet.file(&b1, 1);
    (fleet, file)
}

/// What a tenant may take where it is to be seen that its backup is not counted.
pub(super) const SHORT: Duration = Duration::from_millis(1_500);

/// Damages the last page of a file, which is one of rows: nothing that a migration reads.
fn damage(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let at = bytes.len() - 4096;
    bytes[at..at + 16].fill(0xa5);
    fs::write(file, bytes).unwrap();
}

#[test]
fn each_tenant_is_backed_up_first_and_the_report_says_so() {
    let (fleet, _) = three();
    let new = new_program(&fleet);
    let report = migrate(&new, &all_at_once().backup_first(true));
    assert!(report.is_success(), "{report:?}");
    for tenant in &report.tenants {
        let backups = new.backups(&BackupFilter::tenant(&tenant.id)).unwrap();
        let [backup] = &backups[..] else {
            panic!("{backups:?}")
        };
        assert_eq!(tenant.backup, Some(backup.id));
        assert_eq!(backup.reason, BackupReason::BeforeMigrate);
        assert_eq!(
            backup.schema_version.as_deref(),
            Some(WARDS),
            "it is of before"
        );
    }
    // It is remembered, and what needs nothing is not backed up.
    let again = new.fleet_run(report.run.unwrap()).unwrap();
    assert!(again.tenants.iter().all(|tenant| tenant.backup.is_some()));
    let nothing = migrate(&new, &all_at_once().deep().backup_first(true));
    assert!(nothing.is_success());
    let options = MigrateTenant::default().backup_first(true);
    let done = new.migrate_tenant_with(&id("A1"), &options).unwrap();
    assert!(done.applied.is_empty() && done.backup.is_none(), "{done:?}");
    assert_eq!(new.backups(&BackupFilter::all()).unwrap().len(), 3);
    drop((new, fleet.tenancy));
    world::check(&fleet.root);
}

#[test]
fn one_that_cannot_be_backed_up_is_not_migrated() {
    let (fleet, file) = three();
    damage(&file);
    let new = new_program(&fleet);
    let report = migrate(&new, &all_at_once().backup_first(true));
    assert_eq!(
        (report.totals.done, report.totals.failed),
        (2, 1),
        "{report:?}"
    );
    let failed = report.tenant(&id("B1")).unwrap();
    let error = failed.error.as_ref().unwrap();
    assert!(
        error.message.contains("could not be backed up"),
        "{error:?}"
    );
    assert_eq!((failed.backup, &failed.applied[..]), (None, &[][..]));
    assert_eq!(failed.to.as_deref(), Some(WARDS));
    let options = MigrateTenant::default().backup_first(true);
    let error = new.migrate_tenant_with(&id("B1"), &options).unwrap_err();
    assert!(matches!(error, TenantError::Backup { .. }), "{error:?}");
    // Without a backup nothing would have noticed.
    assert_eq!(new.migrate_tenant(&id("B1")).unwrap().len(), 1);
}

#[test]
fn a_damaged_database_is_refused_before_anything_is_written_to_it() {
    let (fleet, file) = three();
    damage(&file);
    let before = fs::read(&file).unwrap();
    let new = new_program(&fleet);
    let report = migrate(&new, &all_at_once().check_first(true));
    assert_eq!(
        (report.totals.done, report.totals.failed),
        (2, 1),
        "{report:?}"
    );
    let failed = report.tenant(&id("B1")).unwrap();
    let error = failed.error.as_ref().unwrap();
    assert_eq!(error.kind, FailureKind::Damaged, "{error:?}");
    let alone = MigrateTenant::default().check_first(true);
    let error = new.migrate_tenant_with(&id("B1"), &alone).unwrap_err();
    assert!(
        matches!(error, TenantError::Migrate(LifecycleError::Connect(_))),
        "{error:?}"
    );
    assert!(fs::read(&file).unwrap() == before, "it was written to");
}

/// It was counted, so that a large database could never be migrated, and each try left a copy.
#[cfg(feature = "failpoints")]
#[test]
fn a_backup_may_take_longer_than_migrating() {
    let fleet = old_fleet(&["TH001"]);
    let dir = tempfile::tempdir().unwrap();
    let go_on = dir.path().join("go-on");
    let mut command = crate::actors::command("migrate fleet after a backup", &fleet.root);
    let pause = format!("backup.copied=pause:{}", go_on.display());
    command.env("DIESEL_TENANTS_FAILPOINT", pause);
    let mut other = Actor::from(command);
    while !dir.path().join("go-on.reached").exists() {
        std::thread::yield_now();
    }
    let reached = Instant::now();
    while reached.elapsed() < SHORT {
        std::thread::yield_now();
    }
    fs::File::create(&go_on).unwrap();
    assert_eq!(other.hear().as_deref(), Some("done false"));
    assert!(other.wait().success());
    assert_migrated(&new_program(&fleet));
}

#[test]
fn a_run_that_is_gone_on_with_takes_no_second_backup() {
    let fleet = old_fleet(&["A1"]);
    let new = new_program(&fleet);
    let dies = all_at_once()
        .workers(1)
        .backup_first(true)
        .before_each(|_| panic!("on purpose"));
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| migrate(&new, &dies)));
    assert!(died.is_err());
    let taken = new.backups(&BackupFilter::all()).unwrap();
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| migrate(&new, &dies)));
    assert!(again.is_err());
    assert_eq!(new.backups(&BackupFilter::all()).unwrap(), taken);

    // What was written since a while ago is in none.
    let sql = "UPDATE __tenants_backups SET taken_at = taken_at - 600000;
               UPDATE __tenants_runs SET started_at = started_at - 600000";
    let mut shared = new.shared().unwrap();
    let older = shared.unrouted("wait", |raw| raw.connection().batch_execute(sql));
    older.unwrap();
    drop(shared);
    let report = migrate(&new, &all_at_once().backup_first(true));
    assert!(report.is_success() && report.resumed);
    assert_ne!(report.tenants[0].backup, Some(taken[0].id));
    assert_eq!(new.backups(&BackupFilter::all()).unwrap().len(), 2);
}

/// Another process is in the middle of migrating it: one call waits for that, and one that may not wait says so.
#[cfg(feature = "failpoints")]
#[test]
fn migrating_one_waits_for_its_turn() {
    let fleet = old_fleet(&["TH001"]);
    let dir = crate::scratch::dir();
    let go_on = dir.path().join("go-on");
    let mut command = crate::actors::command("migrate TH001", &fleet.root);
    let pause = format!("migrate-tenant.begun=pause:{}", go_on.display());
    command.env("DIESEL_TENANTS_FAILPOINT", pause);
    let mut other = Actor::from(command);
    while !dir.path().join("go-on.reached").exists() {
        std::thread::yield_now();
    }
    let new = new_program(&fleet);
    let short = MigrateTenant::default().timeout(Duration::from_millis(50));
    let error = new.migrate_tenant_with(&id("TH001"), &short).unwrap_err();
    let in_progress = matches!(
        error,
        TenantError::Migrate(LifecycleError::InProgress { .. })
    );
    assert!(in_progress && error.is_retryable(), "{error:?}");
    // A backup that was taken now would not be of what is migrated then.
    let short = short.backup_first(true);
    assert!(new.migrate_tenant_with(&id("TH001"), &short).is_err());
    assert!(new.backups(&BackupFilter::all()).unwrap().is_empty());
    std::thread::scope(|threads| {
        let waiting = threads.spawn(|| new.migrate_tenant(&id("TH001")));
        fs::File::create(&go_on).unwrap();
        // The other one has done it by then.
        assert_eq!(waiting.join().unwrap().unwrap(), []);
    });
    assert!(other.wait().success());
    assert_migrated(&new);
}
