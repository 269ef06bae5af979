//! A purged tenant is gone, and nothing brings it back.
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel_tenants::backend::ConnectError;
use diesel_tenants::error::{LifecycleError, PurgeError};
use diesel_tenants::{
    BackupFilter, BackupOptions, BackupsOnPurge, OpenError, PurgeOptions, Retention, prelude::*,
};

use crate::actors::{Actor, say, told};
use crate::app::{Fleet, admit, builder, delete_at_once, fleet, fleet_with, names};
use crate::crashes::{self, Operation, copy};
use crate::faults::{break_catalogue, mend_catalogue};
use crate::world;

mod backups;
mod dates;
mod fence;
mod owners;
mod tombstone;
mod undead;

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// The parts of this module; see [`actors`](crate::actors).
pub(crate) fn act(part: &str, root: &Path) -> bool {
    match part {
        "purge" => {
            let tenancy = builder(root).open().unwrap();
            let options = PurgeOptions::default().backups(BackupsOnPurge::Remove);
            tenancy.purge_with(&id("TH001"), "TH001", &options).unwrap();
            say("purged");
        }
        "purge, backups kept" => {
            let tenancy = builder(root).open().unwrap();
            tenancy.purge(&id("TH001"), "TH001").unwrap();
            say("purged");
        }
        "purge undead" => undead::act(root),
        "purge twice" => {
            let tenancy = builder(root).open().unwrap();
            let uuid = tenancy.tenants().unwrap()[0].uuid;
            say("ready");
            told();
            let first = tenancy.purge(&id("TH001"), "TH001");
            say(match &first {
                Ok(_) => "purged".to_owned(),
                Err(error) => format!("{error:?}"),
            });
            told();
            if first.is_err() {
                tenancy.purge(&id("TH001"), "TH001").unwrap();
            }
            let certificate = tenancy.certificate(&uuid).unwrap().unwrap();
            assert!(certificate.completed_at.is_some());
            say("done");
        }
        // Purges, or puts a hold on, the tenant that is named, when told.
        "purge when told" => when_told(root, |tenancy, id| match tenancy.purge(id, id.as_str()) {
            Ok(_) => "purged",
            Err(PurgeError::OnHold { .. }) => "held",
            Err(PurgeError::NotYet { .. }) => "not yet",
            Err(PurgeError::NotScheduled { .. }) => "not scheduled",
            Err(other) if other.is_retryable() => "in progress",
            Err(_) => "gone",
        }),
        "hold when told" => when_told(root, |tenancy, id| match tenancy.hold(id, "race") {
            Ok(()) => "holds",
            Err(_) => "too late",
        }),
        _ => return false,
    }
    true
}

fn when_told(root: &Path, act: impl Fn(&Tenancy, &TenantId) -> &'static str) {
    let tenancy = builder(root).open().unwrap();
    say("ready");
    loop {
        let name = told();
        if name.is_empty() {
            return;
        }
        say(act(&tenancy, &id(&name)));
    }
}

/// TH001 with three rows, a kept generation, a backup of that, and due.
fn due(root: &Path) {
    crashes::with_rows(root);
    let tenancy = builder(root).open().unwrap();
    tenancy.recreate(&id("TH001"), "TH001").unwrap();
    let mut ctx = tenancy.tenant(&id("TH001")).unwrap();
    for name in ["one", "two", "three"] {
        admit(&mut ctx, name).unwrap();
    }
    drop(ctx);
    delete_at_once(&tenancy, &id("TH001"));
}

const PURGE: Operation = Operation {
    part: "purge",
    before: due,
    outcome: |tenancy| match tenancy.tenants().unwrap().as_slice() {
        [] => {
            // What was asked for is done by whoever finishes it.
            let left = tenancy.backups(&BackupFilter::all()).unwrap();
            assert!(left.is_empty(), "{left:?}");
            true
        }
        [tenant] => {
            assert_eq!(tenant.status, Status::Archived);
            usable(tenancy);
            assert_eq!(world::rows(tenancy), ["one", "two", "three", "writable"]);
            false
        }
        more => panic!("{more:?}"),
    },
};

#[cfg(feature = "failpoints")]
#[test]
fn purge_at_every_step() {
    crashes::failpoints::every_step(&PURGE, 15);
}

#[test]
fn killed_and_failing_at_any_system_call() {
    if !crashes::strace_works() {
        return;
    }
    crashes::PURGE.expect(crashes::kill_at_system_calls(&PURGE));
    let failures = crashes::fail_at_system_calls("purge twice", &PURGE);
    assert!(failures >= 4, "{failures}: the sweep did not get far");
}

#[test]
fn the_power_may_fail_at_any_moment() {
    if crashes::strace_works() {
        let failures = crate::power::fail_power(&PURGE);
        assert!(failures >= 10, "{failures}: the sweep did not get far");
    }
}

/// That TH001, of which a purge was not begun or was undone, is used again.
pub(crate) fn usable(tenancy: &Tenancy) {
    tenancy.unarchive(&id("TH001")).unwrap();
    tenancy.resume(&id("TH001")).unwrap();
    let mut ctx = tenancy.tenant(&id("TH001")).unwrap();
    ctx.transaction(|ctx| admit(ctx, "writable")).unwrap();
}

/// A fleet with a tenant that is due; it has a row.
pub(crate) fn one_due() -> (Fleet, TenantHandle) {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "of the deleted one").unwrap();
    delete_at_once(&fleet.tenancy, &id("TH001"));
    (fleet, tenant)
}

fn shared_sql(tenancy: &Tenancy, sql: &str) {
    let mut shared = tenancy.shared().unwrap();
    let done = shared.unrouted("test", |raw| raw.connection().batch_execute(sql));
    done.unwrap();
}

#[test]
fn purging_needs_a_deleted_tenant_and_its_id() {
    let fleet = fleet();
    fleet.create("TH001");
    let purge = |confirmation: &str| fleet.tenancy.purge(&id("th001"), confirmation);
    let active = purge("TH001").unwrap_err();
    assert!(
        matches!(
            active,
            PurgeError::Lifecycle(LifecycleError::WrongStatus {
                status: Status::Active,
                ..
            })
        ),
        "{active:?}"
    );
    delete_at_once(&fleet.tenancy, &id("TH001"));
    for wrong in ["", "th001", "yes", "TH001 "] {
        let error = purge(wrong).unwrap_err();
        assert_eq!(
            error.to_string(),
            "purging needs the tenant's id, `TH001`, typed exactly as confirmation"
        );
    }
    purge("TH001").unwrap();
    let gone = fleet.tenancy.tenant(&id("TH001"));
    assert!(matches!(gone, Err(OpenError::UnknownTenant { .. })));
    world::check(&fleet.root);
}

#[test]
fn a_certificate_says_what_was_removed() {
    let (fleet, tenant) = one_due();
    fleet.tenancy.undelete(&id("TH001")).unwrap();
    fleet.tenancy.unarchive(&id("TH001")).unwrap();
    fleet.tenancy.resume(&id("TH001")).unwrap();
    fleet.tenancy.recreate(&id("TH001"), "TH001").unwrap();
    delete_at_once(&fleet.tenancy, &id("TH001"));
    let certificate = fleet.tenancy.purge(&id("TH001"), "TH001").unwrap();
    let uuid = tenant.record().unwrap().uuid;
    assert_eq!((certificate.uuid, certificate.id), (uuid, id("TH001")));
    let generations: Vec<_> = certificate
        .generations
        .iter()
        .map(|g| g.generation)
        .collect();
    assert_eq!(generations, [1, 2]);
    let bytes: u64 = certificate.generations.iter().map(|g| g.bytes).sum();
    assert!(
        bytes >= 8 * 4096 && certificate.bytes >= bytes,
        "{certificate:?}"
    );
    assert!(certificate.completed_at.unwrap() >= certificate.begun_at);
    // It is read back as it was, by another process too, and is nobody's business but the owner's.
    let read = fleet.again().certificate(&uuid).unwrap();
    assert_eq!(read.as_ref(), Some(&certificate));
    assert_eq!(
        fleet.tenancy.certificate(&uuid::Uuid::now_v7()).unwrap(),
        None
    );
    use std::os::unix::fs::PermissionsExt;
    let file = tombstone(&fleet, uuid);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        !text.contains("Hospital") && !text.contains("of the deleted one"),
        "{text}"
    );
}

fn tombstone(fleet: &Fleet, uuid: uuid::Uuid) -> PathBuf {
    let tombstones = fleet.root.join("tombstones");
    tombstones.join(format!("{}.json", uuid.simple()))
}

/// Every byte below the root, and what the patients of a purged tenant were called.
#[test]
fn no_byte_of_a_purged_tenant_is_left() {
    const CANARY: &str = "CANARY-7f3a-patient";
    for backups in [BackupsOnPurge::Remove, BackupsOnPurge::Keep] {
        let fleet = fleet();
        let tenant = fleet.create("TH001");
        let other = fleet.create("OTHER");
        admit(&mut other.enter().unwrap(), "somebody else").unwrap();
        let fill = || {
            let mut ctx = tenant.enter().unwrap();
            for n in 0..50 {
                admit(&mut ctx, &format!("{CANARY} {n}")).unwrap();
            }
            ctx
        };
        // In a generation that is kept, in a backup, and in the free pages and the WAL of one that is in use.
        drop(fill());
        fleet.tenancy.recreate(&id("TH001"), "TH001").unwrap();
        diesel::delete(crate::app::patients::table)
            .execute(&mut fill())
            .unwrap();
        // A scan opens files, and closing them drops this process' locks: so a copy is scanned.
        let hits = |name: &str| {
            let aside = fleet.root.with_file_name(name);
            copy(&fleet.root, &aside);
            let hits = files_with(&aside, CANARY.as_bytes());
            let in_backups = |path: &&PathBuf| path.starts_with(aside.join("backups"));
            let backups = hits.iter().filter(in_backups).count();
            (hits.len() - backups, backups)
        };
        let before = hits("before");
        assert!(before.0 >= 2 && before.1 == 1, "{before:?}");
        delete_at_once(&fleet.tenancy, &id("TH001"));
        let options = PurgeOptions::default().backups(backups);
        let purged = fleet.tenancy.purge_with(&id("TH001"), "TH001", &options);
        let purged = purged.unwrap();
        let kept = usize::from(backups == BackupsOnPurge::Keep);
        assert_eq!(hits("after"), (0, kept));
        assert_eq!(purged.backups, backups);
        assert_eq!(purged.backups_removed, 1 - kept as u64);
        assert_eq!(names(&mut other.enter().unwrap()), ["somebody else"]);
        world::check(&fleet.root);
    }
}

fn files_with(directory: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if std::fs::read(&path)
            .unwrap()
            .windows(needle.len())
            .any(|bytes| bytes == needle)
        {
            found.push(path);
        }
    }
    found
}

/// Side files that were left where a deleted tenant was: the one who takes its id next sees none of its rows.
#[test]
fn a_wal_of_the_deleted_one_beside_a_new_tenant_of_the_same_id() {
    let fleet = fleet();
    let tenant = fleet.create("TH001");
    let mut ctx = tenant.enter().unwrap();
    for n in 0..100 {
        admit(&mut ctx, &format!("of the deleted one {n}")).unwrap();
    }
    let file = fleet.file(&tenant, 1);
    let wal = std::fs::read(format!("{}-wal", file.display())).unwrap();
    assert!(wal.len() > 4096);
    drop(ctx);
    delete_at_once(&fleet.tenancy, &id("TH001"));
    fleet.tenancy.purge(&id("TH001"), "TH001").unwrap();
    assert!(!file.parent().unwrap().exists());
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    std::fs::write(format!("{}-wal", file.display()), wal).unwrap();

    let new = NewTenant::named("again").reuse_retired_id();
    let again = fleet.tenancy.create(&id("TH001"), new).unwrap();
    assert!(names(&mut again.enter().unwrap()).is_empty());
    let [undead] = fleet.tenancy.undead().unwrap().try_into().unwrap();
    assert!(undead.generations.is_empty() && undead.bytes > 4096);
    fleet.tenancy.purge_undead(&undead.uuid, "TH001").unwrap();
    world::check(&fleet.root);
}

#[test]
fn a_tenant_whose_database_is_lost_is_purged() {
    type Lose = fn(&Path);
    let ways: [Lose; 3] = [
        |file| std::fs::remove_file(file).unwrap(),
        |file| std::fs::write(file, [7; 8192]).unwrap(),
        |file| std::fs::remove_dir_all(file.parent().unwrap()).unwrap(),
    ];
    for lose in ways {
        let (fleet, tenant) = one_due();
        lose(&fleet.file(&tenant, 1));
        fleet.tenancy.purge(&id("TH001"), "TH001").unwrap();
        world::check(&fleet.root);
    }
}

#[test]
fn a_purge_that_meets_an_open_context_has_not_begun() {
    let fleet = fleet_with(|b| b.drain_timeout(Duration::from_millis(20)));
    let tenant = fleet.create("A1");
    let mut open = tenant.enter().unwrap();
    admit(&mut open, "kept").unwrap();
    delete_at_once(&fleet.tenancy, &id("A1"));
    let busy = fleet.tenancy.purge(&id("A1"), "A1").unwrap_err();
    assert!(
        matches!(busy, PurgeError::Lifecycle(LifecycleError::Busy { .. })),
        "{busy:?}"
    );
    assert!(busy.is_retryable());
    assert_eq!(fleet.tenancy.recover().unwrap(), 0);
    fleet.tenancy.tenants().unwrap();
    assert_eq!(tenant.record().unwrap().status, Status::Archived);
    assert_eq!(names(&mut open), ["kept"]);
    drop(open);
    fleet.tenancy.purge(&id("A1"), "A1").unwrap();
    world::check(&fleet.root);
}

#[test]
fn a_purge_left_half_done_is_finished_by_the_next_one() {
    let (fleet, _tenant) = one_due();
    break_catalogue(&fleet, "NEW.status = 'deleted'");
    fleet.tenancy.purge(&id("TH001"), "TH001").unwrap_err();
    // There is no way back any more.
    let late = fleet.tenancy.hold(&id("TH001"), "too late").unwrap_err();
    assert!(late.to_string().contains("deleting"), "{late}");
    mend_catalogue(&fleet);
    let certificate = fleet.tenancy.purge(&id("TH001"), "TH001").unwrap();
    assert_eq!(
        certificate.generations.len(),
        1,
        "what the first attempt found"
    );
    world::check(&fleet.root);
}

#[test]
fn what_is_due_is_purged_only_if_it_is_named() {
    let fleet = fleet();
    for code in ["A1", "B1", "C1", "D1", "E1"] {
        fleet.create(code);
    }
    for code in ["A1", "B1", "C1", "D1"] {
        delete_at_once(&fleet.tenancy, &id(code));
    }
    fleet.tenancy.hold(&id("C1"), "court order").unwrap();
    let due: Vec<_> = fleet.tenancy.due().unwrap().iter().map(|r| r.id).collect();
    assert_eq!(due, [id("A1"), id("B1"), id("D1")]);
    let mut seen = Vec::new();
    let report = fleet
        .tenancy
        .purge_due(
            ["A1", "b1", "C1", "E1", "Z9", "no id"],
            &PurgeOptions::default(),
            |id, result| seen.push((*id, result.is_ok())),
        )
        .unwrap();
    let purged: Vec<_> = report.purged.iter().map(|c| c.id).collect();
    assert_eq!(purged, [id("A1")]);
    let failed: Vec<_> = report.failed.iter().map(|(id, e)| (*id, e)).collect();
    assert!(
        matches!(
            failed.as_slice(),
            [
                (b1, PurgeError::NotConfirmed { .. }),
                (c1, PurgeError::OnHold { .. }),
                (e1, PurgeError::Lifecycle(LifecycleError::WrongStatus { .. })),
            ] if (b1.as_str(), c1.as_str(), e1.as_str()) == ("b1", "C1", "E1")
        ),
        "{failed:?}"
    );
    assert_eq!(report.unknown, ["Z9", "no id"]);
    assert_eq!(report.not_named, [id("D1")]);
    assert_eq!(seen.len(), 4);
    let left: Vec<_> = fleet
        .tenancy
        .tenants()
        .unwrap()
        .iter()
        .map(|r| r.id)
        .collect();
    assert_eq!(left, [id("B1"), id("C1"), id("D1"), id("E1")]);
    world::check(&fleet.root);
}

/// Either the tenant is on hold and whole, or it is purged and the hold has failed.
#[test]
fn of_a_purge_and_a_hold_at_once_one_wins() {
    let fleet = fleet();
    let mut actors = [
        Actor::spawn("purge when told", &fleet.root),
        Actor::spawn("hold when told", &fleet.root),
        Actor::spawn("purge when told", &fleet.root),
    ];
    for actor in &mut actors {
        assert_eq!(actor.hear().unwrap(), "ready");
    }
    let mut held = 0;
    for round in 0..30 {
        let name = format!("T{round}");
        let tenant = fleet.create(&name);
        admit(&mut tenant.enter().unwrap(), "kept").unwrap();
        delete_at_once(&fleet.tenancy, &id(&name));
        // Each begins first at times.
        for turn in 0..3 {
            actors[(round + turn) % 3].tell(&name);
        }
        let said: Vec<_> = actors.iter_mut().map(|a| a.hear().unwrap()).collect();
        fleet.tenancy.tenants().unwrap();
        let record = tenant.record().unwrap();
        if said[1] == "holds" {
            held += 1;
            assert_eq!([&said[0], &said[2]], ["held"; 2], "{said:?}");
            assert_eq!(record.status, Status::Archived);
            assert!(fleet.file(&tenant, 1).exists());
        } else {
            assert_eq!(said[1], "too late");
            assert!(!said.contains(&"held".to_owned()), "{said:?}");
            assert!(said.contains(&"purged".to_owned()), "{said:?}");
            assert_eq!(record.status, Status::Deleted);
            assert!(!fleet.file(&tenant, 1).exists());
        }
    }
    println!("{held} of 30 were held");
    drop(actors);
    world::check(&fleet.root);
}

/// A writer of another process is at work, so no fence can be put up. Its commit must not vanish with the file.
#[test]
fn a_database_that_cannot_be_fenced_is_not_removed() {
    let short = Duration::from_millis(200);
    let fleet = fleet_with(|builder| builder.busy_timeout(short).drain_timeout(short));
    let tenant = fleet.create("TH001");
    admit(&mut tenant.enter().unwrap(), "before").unwrap();
    let uuid = tenant.record().unwrap().uuid;
    let file = fleet.file(&tenant, 1);
    let mut locker = Actor::spawn("lock: it", &fleet.root);
    assert_eq!(locker.hear().as_deref(), Some("locked"));
    delete_at_once(&fleet.tenancy, &id("TH001"));
    let refused = fleet.tenancy.purge(&id("TH001"), "TH001");
    assert!(refused.is_err(), "{refused:?}");
    assert!(file.exists());
    assert!(fleet.tenancy.certificate(&uuid).unwrap().is_none());
    locker.tell("go on");
    assert_eq!(locker.hear().as_deref(), Some("unlocked"));
    drop(locker);
    // It had begun, so it is finished.
    fleet.tenancy.recover().unwrap();
    assert!(!file.exists());
    assert!(fleet.tenancy.certificate(&uuid).unwrap().is_some());
}
