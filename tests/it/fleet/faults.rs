//! One tenant's database is not what it should be, or its disk is not: it is named, the others are migrated, nothing is
//! made in its place; for one tenant alone and within a run.
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use super::*;
use crate::actors::command_under;
use crate::crashes::strace_works;

/// A fleet of three, closed, and the file of the second one.
fn three() -> (Fleet, PathBuf) {
    let fleet = old_fleet(&["A1", "B1", "C1"]);
    let b1 = fleet.tenancy.handle(&id("B1")).unwrap();
    admit(&mut b1.enter().unwrap(), "kept").unwrap();
    fleet.tenancy.suspend(&id("B1")).unwrap();
    fleet.tenancy.resume(&id("B1")).unwrap();
    let file = fleet.file(&b1, 1);
    (fleet, file)
}

#[test]
fn files_that_are_not_what_they_should_be() {
    type Spoil = fn(&Path, &Fleet);
    let ways: [(&str, FailureKind, Spoil); 7] = [
        ("missing", FailureKind::Missing, |file, _| {
            fs::remove_file(file).unwrap()
        }),
        ("empty", FailureKind::Damaged, |file, _| {
            fs::write(file, b"").unwrap()
        }),
        ("no database", FailureKind::Damaged, |file, _| {
            fs::write(file, [7; 8192]).unwrap()
        }),
        ("cut short", FailureKind::Damaged, |file, _| {
            let whole = fs::read(file).unwrap();
            fs::write(file, &whole[..whole.len() / 2]).unwrap();
        }),
        ("a page of nothing", FailureKind::Damaged, |file, _| {
            // The first page of the schema's table is the file's first; the ledger is read from another one.
            let mut bytes = fs::read(file).unwrap();
            let page = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
            bytes[page..].fill(0);
            fs::write(file, bytes).unwrap();
        }),
        ("another tenant's", FailureKind::Foreign, |file, fleet| {
            let other = fleet.tenancy.handle(&id("C1")).unwrap();
            fs::copy(fleet.file(&other, 1), file).unwrap();
        }),
        ("a link", FailureKind::Unsafe, |file, fleet| {
            let other = fleet.tenancy.handle(&id("C1")).unwrap();
            fs::remove_file(file).unwrap();
            symlink(fleet.file(&other, 1), file).unwrap();
        }),
    ];
    for (way, kind, spoil) in ways {
        let (fleet, file) = three();
        let good = fs::read(&file).unwrap();
        spoil(&file, &fleet);
        let is_link = file.is_symlink();
        let spoilt = fs::read(&file).ok();
        let new = new_program(&fleet);
        // One alone.
        let error = new.migrate_tenant(&id("B1")).unwrap_err();
        assert!(!error.is_retryable(), "{way}: {error:?}");
        // Within the fleet.
        let report = migrate(&new, &all_at_once());
        let failed = report.tenant(&id("B1")).unwrap();
        let error = failed.error.as_ref().unwrap();
        assert_eq!(error.kind, kind, "{way}: {error:?}");
        assert!(error.message.contains("`B1`"), "{way}: {error:?}");
        assert_eq!((report.totals.done, report.totals.failed), (2, 1), "{way}");
        assert_eq!(file.is_symlink(), is_link, "{way}");
        let unchanged = fs::read(&file).ok() == spoilt;
        assert!(unchanged || is_link, "{way}: the file was changed");
        // Nothing is left open that would be in the way of a repair.
        assert_eq!(open_operations(&new), 0, "{way}");
        let _ = fs::remove_file(&file);
        fs::write(&file, good).unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert!(migrate(&new, &all_at_once()).is_success(), "{way}");
        assert_eq!(names(&mut new.tenant(&id("B1")).unwrap()), ["kept"]);
        world::check(&fleet.root);
    }
}

/// What a killed writer left in the WAL is the tenant's own.
#[test]
fn the_wal_of_a_killed_writer_is_taken_along() {
    let (fleet, file) = three();
    let mut writer = Actor::spawn("write at the old schema", &fleet.root);
    assert_eq!(writer.hear().unwrap(), "written");
    writer.kill();
    assert!(
        fs::metadata(file.with_extension("sqlite3-wal"))
            .unwrap()
            .len()
            > 0
    );
    let new = new_program(&fleet);
    assert!(migrate(&new, &all_at_once()).is_success());
    assert_eq!(
        names(&mut new.tenant(&id("B1")).unwrap()),
        ["kept", "in the WAL"]
    );
}

/// Faults of the system that concern the files of one tenant: the call, the error, when, and the kind of failure.
const FAULTS: [(&str, &str, &str, FailureKind); 5] = [
    ("pwrite64", "ENOSPC", "1+", FailureKind::DiskFull),
    ("pwrite64", "EIO", "1+", FailureKind::Io),
    ("fsync,fdatasync", "EIO", "1+", FailureKind::Io),
    ("pread64", "EIO", "1+", FailureKind::Io),
    // The first time it is opened to be written, as on a file system that was mounted read-only; to be read, it opens.
    ("openat", "EROFS", "1", FailureKind::ReadOnly),
];

#[test]
fn a_disk_that_is_full_failing_or_read_only() {
    if !strace_works() {
        return;
    }
    for (calls, error, when, kind) in FAULTS {
        let (fleet, file) = three();
        let under = |part: &str| {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null"]);
            for suffix in ["", "-wal"] {
                strace.arg("-P").arg(format!("{}{suffix}", file.display()));
            }
            strace.args(["-e", &format!("trace={calls}")]);
            strace.args(["-e", &format!("inject={calls}:error={error}:when={when}")]);
            Actor::from(command_under(strace, part, &fleet.root))
        };
        // Within the fleet: the others are migrated.
        let mut actor = under("migrate fleet and say the failures");
        let said = actor.hear().unwrap();
        let expected = format!("2 1 B1 {kind} ");
        assert!(said.starts_with(&expected), "{calls} {error}: {said}");
        drop(actor);
        // One alone: it fails whole.
        let mut actor = under("migrate B1");
        let said = actor.hear().unwrap();
        assert_ne!(said, "migrated", "{calls} {error}");
        drop(actor);
        let new = world::check(&fleet.root);
        assert!(migrate(&new, &all_at_once()).is_success());
        assert_eq!(names(&mut new.tenant(&id("B1")).unwrap()), ["kept"]);
        assert_migrated(&new);
    }
}

#[test]
fn a_run_short_of_descriptors_goes_slower() {
    let fleet = old_fleet(&numbered(30).iter().map(String::as_str).collect::<Vec<_>>());
    let mut actor = Actor::spawn("migrate fleet with few descriptors", &fleet.root);
    assert_eq!(actor.hear().unwrap(), "30 0");
    assert_migrated(&new_program(&fleet));
}

/// No space for the catalogue is no tenant's fault: the run is left as it is, and gone on with.
#[test]
fn a_catalogue_that_takes_no_writes_ends_the_call_and_not_the_run() {
    let (fleet, _) = three();
    let new = new_program(&fleet);
    let shared = |sql: &str| {
        let mut shared = fleet.tenancy.shared().unwrap();
        shared
            .unrouted("test", |raw| raw.connection().batch_execute(sql))
            .unwrap();
    };
    shared(
        "CREATE TRIGGER full BEFORE UPDATE ON __tenants_run_tenants WHEN NEW.state = 'done'
         BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END",
    );
    let error = new.migrate_fleet(&all_at_once(), |_| {}).unwrap_err();
    assert!(matches!(error, FleetError::Catalog(_)), "{error:?}");
    shared("DROP TRIGGER full");
    let report = migrate(&new, &all_at_once());
    assert!(report.is_success() && report.resumed);
    assert_migrated(&new);
    world::check(&fleet.root);
}

#[cfg(feature = "failpoints")]
#[test]
fn a_tenant_in_the_middle_of_something_else_is_waited_for() {
    let fleet = old_fleet(&["TH001", "B1"]);
    let dir = crate::scratch::dir();
    let go_on = dir.path().join("go-on");
    let mut command = crate::actors::command("compact", &fleet.root);
    let pause = format!("generation.staged=pause:{}", go_on.display());
    command.env("DIESEL_TENANTS_FAILPOINT", pause);
    let mut compacting = Actor::from(command);
    while !dir.path().join("go-on.reached").exists() {
        std::thread::yield_now();
    }
    // Its status is `restoring` by now: whoever plans a run skips it.
    let new = new_program(&fleet);
    let report = migrate(&new, &all_at_once());
    assert_eq!((report.totals.done, report.totals.skipped), (1, 1));
    fs::File::create(&go_on).unwrap();
    assert_eq!(compacting.hear().unwrap(), "compacted");
    assert!(compacting.wait().success());

    // The same, begun after the plan: waited for as long as a tenant may take.
    for timeout in [Duration::from_millis(50), Duration::from_secs(60)] {
        let dir = crate::scratch::dir();
        let go_on = dir.path().join("go-on");
        let pause = format!("migrate-tenant.begun=pause:{}", go_on.display());
        let mut command = crate::actors::command("migrate TH001", &fleet.root);
        command.env("DIESEL_TENANTS_FAILPOINT", pause);
        let mut other = Actor::from(command);
        while !dir.path().join("go-on.reached").exists() {
            std::thread::yield_now();
        }
        let short = timeout < Duration::from_secs(1);
        if !short {
            fs::File::create(&go_on).unwrap();
        }
        let report = migrate(&new, &all_at_once().tenant_timeout(timeout));
        let tenant = report.tenant(&id("TH001")).unwrap();
        match short {
            true => {
                let error = tenant.error.as_ref().unwrap();
                assert_eq!(error.kind, FailureKind::InProgress, "{error:?}");
                other.kill();
            }
            false => assert!(report.is_success(), "{report:?}"),
        }
    }
    assert_migrated(&new);
    world::check(&fleet.root);
}

/// A tenant that another process has put into the run, and a catalogue that cannot be read when its turn comes.
#[test]
fn who_cannot_be_looked_up_has_failed_and_is_not_deleted() {
    let fleet = old_fleet(&["A1"]);
    let new = new_program(&fleet);
    let mut joined = false;
    let report = new
        .migrate_fleet(&all_at_once().workers(1), |_| {
            if std::mem::replace(&mut joined, true) {
                return;
            }
            let mut shared = fleet.tenancy.shared().unwrap();
            let sql = "INSERT INTO __tenants_run_tenants
                 (run_id, position, tenant_uuid, tenant_id, wave, state, attempts, applied, overran)
                 SELECT run_id, 1, randomblob(16), 'B1', 0, 'pending', 0, '', 0 FROM __tenants_run_tenants;
                 UPDATE __tenants_runs SET total = 2;
                 UPDATE __tenants_catalog SET change_seq = change_seq + 1;
                 UPDATE __tenants_tenants SET display_name = '',
                    change_seq = (SELECT change_seq FROM __tenants_catalog);";
            let changed = shared.unrouted("test", |raw| raw.connection().batch_execute(sql));
            changed.unwrap();
        })
        .unwrap();
    assert_eq!(report.outcome, RunOutcome::Failed, "{report:?}");
    assert_eq!((report.totals.done, report.totals.skipped), (1, 0));
    let failed = report.tenant(&id("B1")).unwrap().error.as_ref().unwrap();
    assert_eq!(failed.kind, FailureKind::Catalogue, "{failed:?}");
}

pub(super) fn play(part: &str, root: &Path) -> bool {
    let tally = |report: &FleetReport| {
        let mut line = format!("{} {}", report.totals.done, report.totals.failed);
        for failed in report.failures() {
            let error = failed.error.as_ref().unwrap();
            line += &format!(" {} {} {}", failed.id, error.kind, error.message);
        }
        line
    };
    match part {
        "migrate fleet and say the failures" => {
            let tenancy = builder(root).open().unwrap();
            say(tally(&migrate(&tenancy, &all_at_once())));
        }
        "migrate B1" | "migrate TH001" => {
            let tenancy = builder(root).open().unwrap();
            let (_, tenant) = part.split_once(' ').unwrap();
            match tenancy.migrate_tenant(&id(tenant)) {
                Ok(_) => say("migrated"),
                Err(error) => say(format!("{error:?}").replace('\n', " ")),
            }
        }
        "write at the old schema" => {
            let old = builder(root).tenant_migrations(wards()).open().unwrap();
            let mut ctx = old.tenant(&id("B1")).unwrap();
            admit(&mut ctx, "in the WAL").unwrap();
            say("written");
            told();
        }
        "migrate fleet with few descriptors" => {
            let tenancy = builder(root).open().unwrap();
            let limit = rustix::process::Rlimit {
                current: Some(64),
                maximum: Some(64),
            };
            rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
            let mut hoard: Vec<_> =
                std::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
            // Enough for two tenants at a time, and eight are tried.
            hoard.truncate(hoard.len() - 8);
            say(tally(&migrate(&tenancy, &all_at_once().workers(8))));
        }
        _ => return false,
    }
    true
}
