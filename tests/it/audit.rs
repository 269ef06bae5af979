//! The audit log: what stands in it, that it cannot be changed unseen, and what a killed process loses of it.
use std::path::Path;
use std::time::Duration;

use diesel_tenants::access::Principal;
use diesel_tenants::audit::{AuditFault, AuditFilter, AuditHead, AuditNote, AuditPolicy};
use diesel_tenants::export::ExportFormat;
use diesel_tenants::{
    AuditError, BackupOptions, BackupRef, Rename, RestoreOptions, Retention, prelude::*,
};

use crate::actors::{Actor, say, told};
use crate::app::{builder, fleet, fleet_with};
use crate::crashes::{self, Operation};

mod guard;
mod idle;
mod verbs;

fn id() -> TenantId {
    "TH001".parse().unwrap()
}

fn user(actor: &str) -> Principal {
    Principal::user(actor.parse().unwrap())
}

fn actions(tenancy: &Tenancy, filter: &AuditFilter) -> Vec<String> {
    let entries = tenancy.audit_entries(filter, 1_000).unwrap();
    entries.into_iter().map(|entry| entry.action).collect()
}

fn raw(tenancy: &Tenancy, sql: &str) -> QueryResult<()> {
    use diesel::connection::SimpleConnection;
    let mut shared = tenancy.shared().unwrap();
    shared.unrouted("tamper", |raw| raw.connection().batch_execute(sql))
}

const NOTES: usize = 60;

/// The parts other processes play here.
pub(crate) fn play(part: &str, root: &Path) -> bool {
    match part {
        "note when told" => {
            let tenancy = builder(root).open().unwrap();
            say("ready");
            told();
            for number in 0..NOTES {
                let note = AuditNote::new("test.note").unwrap().with("number", number);
                tenancy.audit(&note).unwrap();
            }
            say("done");
        }
        "open tenants" => {
            let policy = builder(root).audit(AuditPolicy::All);
            let tenancy = policy
                .audit_batch(10, Duration::from_secs(3600))
                .open()
                .unwrap();
            for opened in 1.. {
                drop(tenancy.tenant(&id()).unwrap());
                say(opened);
            }
        }
        "rest after openings" => idle::play(root),
        _ => match part.strip_prefix("by ") {
            Some(verb) => verbs::by_verb(verb, root),
            None => return false,
        },
    }
    true
}

#[test]
fn every_operation_on_a_tenant_leaves_who_did_it() {
    let fleet = fleet();
    let admin = user("admin").with_reason("contract ended".parse().unwrap());
    let tenancy = fleet.tenancy.acting_as(admin);
    tenancy.create(&id(), NewTenant::named("x")).unwrap();
    tenancy.compact(&id()).unwrap();
    tenancy.migrate_tenant(&id()).unwrap();
    tenancy.suspend(&id()).unwrap();
    tenancy.resume(&id()).unwrap();
    tenancy.suspend(&id()).unwrap();
    tenancy.archive(&id()).unwrap();
    tenancy.unarchive(&id()).unwrap();
    tenancy.archive(&id()).unwrap();
    let soon = Retention::days(1);
    tenancy.delete(&id(), "TH001", soon).unwrap();
    tenancy.undelete(&id()).unwrap();
    tenancy.hold(&id(), "a reason that names people").unwrap();
    tenancy.release_hold(&id()).unwrap();
    tenancy
        .rename(&id(), Rename::new().display_name("y"))
        .unwrap();
    tenancy.set_quota(&id(), Some(1 << 30)).unwrap();
    tenancy.delete(&id(), "TH001", Retention::NONE).unwrap();
    tenancy.purge(&id(), "TH001").unwrap();
    let about = AuditFilter::all().tenant(&"th001".parse().unwrap());
    assert_eq!(
        actions(&tenancy, &about),
        [
            "create.begin",
            "create.commit",
            "compact.begin",
            "compact.commit",
            "migrate.begin",
            "migrate.commit",
            "tenant.suspend",
            "tenant.resume",
            "tenant.suspend",
            "tenant.archive",
            "tenant.unarchive",
            "tenant.archive",
            "tenant.delete",
            "tenant.undelete",
            "tenant.hold",
            "tenant.release",
            "tenant.rename",
            "tenant.quota",
            "tenant.delete",
            "purge.begin",
            "purge.commit",
        ]
    );
    for (number, entry) in (1..).zip(tenancy.audit_entries(&about, 1_000).unwrap()) {
        assert_eq!(
            (entry.seq, entry.actor.as_str(), entry.actor_kind.as_str()),
            (number, "admin", "user")
        );
        assert_eq!(entry.reason.as_deref(), Some("contract ended"));
        assert!(entry.tenant_uuid.is_some() && entry.generation.is_some());
    }
    // What was refused changed nothing.
    tenancy.purge(&id(), "TH001").unwrap_err();
    tenancy.hold(&id(), "late").unwrap_err();
    assert_eq!(actions(&tenancy, &about).len(), 21);
    // Without a name it is the process.
    fleet.create("TH002");
    let of_nobody = AuditFilter::all().tenant(&"TH002".parse().unwrap());
    let entry = &fleet.tenancy.audit_entries(&of_nobody, 1).unwrap()[0];
    assert!(entry.actor.starts_with("uid:"), "{entry:?}");
    assert_eq!(entry.actor_kind, "system");
}

#[test]
fn a_new_tenant_that_fails_leaves_that_it_was_undone() {
    let fleet = fleet();
    fleet
        .tenancy
        .create(&id(), NewTenant::named("x").subdomain("one"))
        .unwrap();
    let head = fleet.tenancy.audit_head().unwrap();
    // Refused before anything was begun.
    let taken = NewTenant::named("x").subdomain("one");
    fleet
        .tenancy
        .create(&"TH002".parse().unwrap(), taken)
        .unwrap_err();
    assert_eq!(fleet.tenancy.audit_head().unwrap(), head);
    // Begun, and then there is something in the way of its files.
    let tenants = fleet.root.join("tenants");
    use std::os::unix::fs::PermissionsExt;
    let mode = |mode| std::fs::set_permissions(&tenants, std::fs::Permissions::from_mode(mode));
    mode(0o500).unwrap();
    let failed = fleet
        .tenancy
        .create(&"TH003".parse().unwrap(), NewTenant::named("x"));
    mode(0o700).unwrap();
    let about = AuditFilter::all().tenant(&"TH003".parse().unwrap());
    match failed {
        Err(_) => assert_eq!(
            actions(&fleet.tenancy, &about),
            ["create.begin", "create.undo"]
        ),
        // The superuser may write anywhere.
        Ok(_) => assert_eq!(
            actions(&fleet.tenancy, &about),
            ["create.begin", "create.commit"]
        ),
    }
}

/// A log of five entries in a library of its own, tampered with by `sql` with the triggers out of the way.
fn tampered(sql: &str) -> Option<AuditFault> {
    let fleet = fleet();
    for number in 0..5 {
        let note = AuditNote::new("test.note").unwrap().with("number", number);
        fleet.tenancy.audit(&note).unwrap();
    }
    let intact = fleet.tenancy.verify_audit().unwrap();
    assert_eq!(
        (intact.first, intact.last, intact.sound, intact.fault),
        (1, 5, 5, None)
    );
    for trigger in [
        "in_order",
        "no_update",
        "no_delete",
        "ends_forward",
        "ends_stay",
        "ends_said",
        "ends_once",
        "ends_true",
    ] {
        raw(
            &fleet.tenancy,
            &format!("DROP TRIGGER __tenants_audit_{trigger}"),
        )
        .unwrap();
    }
    raw(&fleet.tenancy, sql).unwrap();
    fleet.tenancy.verify_audit().unwrap().fault
}

#[test]
fn the_first_entry_that_was_tampered_with_is_named() {
    use AuditFault::*;
    let cases = [
        ("UPDATE __tenants_audit SET actor = 'somebody' WHERE seq = 3", Altered { seq: 3 }),
        ("UPDATE __tenants_audit SET at = at - 1 WHERE seq = 2", Altered { seq: 2 }),
        ("UPDATE __tenants_audit SET role = '' WHERE seq = 2", Altered { seq: 2 }),
        ("UPDATE __tenants_audit SET reason = 'a good one' WHERE seq = 5", Altered { seq: 5 }),
        ("UPDATE __tenants_audit SET detail = '{}' WHERE seq = 1", Altered { seq: 1 }),
        ("UPDATE __tenants_audit SET hash = prev_hash WHERE seq = 4", Altered { seq: 4 }),
        ("DELETE FROM __tenants_audit WHERE seq = 3", Missing { seq: 3 }),
        ("DELETE FROM __tenants_audit WHERE seq = 1", Missing { seq: 1 }),
        ("DELETE FROM __tenants_audit WHERE seq = 5", Missing { seq: 5 }),
        // Two that have changed places.
        (
            "UPDATE __tenants_audit SET seq = 9 WHERE seq = 2; UPDATE __tenants_audit SET seq = 2 WHERE seq = 4;
             UPDATE __tenants_audit SET seq = 4 WHERE seq = 9",
            Altered { seq: 2 },
        ),
        // The last ones cut off, and their memory too.
        (
            "DELETE FROM __tenants_audit WHERE seq > 3; UPDATE __tenants_audit_ends SET head_seq = 3",
            End { seq: 3 },
        ),
        (
            "INSERT INTO __tenants_audit SELECT 6, at, actor, actor_kind, role, action, tenant_uuid, tenant_id,
                 generation, subject, reason, detail, hash, hash FROM __tenants_audit WHERE seq = 5",
            Surplus { seq: 6 },
        ),
        // As if retention had taken the first ones away.
        (
            "UPDATE __tenants_audit_ends SET pruned_through = 2; DELETE FROM __tenants_audit WHERE seq <= 2",
            Unlinked { seq: 3 },
        ),
        // What reads the same and is found by nobody who asks for it.
        (
            "UPDATE __tenants_audit SET actor = CAST(actor AS BLOB), action = CAST(action AS BLOB) WHERE seq = 3",
            Altered { seq: 3 },
        ),
        ("UPDATE __tenants_audit SET detail = CAST(detail AS BLOB) WHERE seq = 5", Altered { seq: 5 }),
        // Ends that nothing can be counted on from.
        ("UPDATE __tenants_audit_ends SET pruned_through = -1", End { seq: 5 }),
        ("UPDATE __tenants_audit_ends SET pruned_through = 9223372036854775807", End { seq: 5 }),
        ("UPDATE __tenants_audit_ends SET head_seq = -9223372036854775808", End { seq: 0 }),
        // So that what is left is a chain.
        (
            "UPDATE __tenants_audit_ends SET pruned_through = 4,
                 pruned_hash = (SELECT hash FROM __tenants_audit WHERE seq = 4);
             DELETE FROM __tenants_audit WHERE seq <= 4",
            Unsaid { through: 4 },
        ),
    ];
    for (sql, fault) in cases {
        assert_eq!(tampered(sql), Some(fault), "{sql}");
    }
    assert_eq!(tampered("SELECT 1"), None);
    assert_eq!(
        Altered { seq: 3 }.to_string(),
        "audit entry 3 was changed or moved"
    );
}

/// What an application enters looks like what the library enters, and is not it.
#[test]
fn only_the_librarys_own_entry_says_that_entries_were_pruned() {
    let fleet = fleet();
    fleet.create("TH001");
    let head = fleet.tenancy.audit_head().unwrap();
    let hash = head.to_string();
    let (_, hash) = hash.split_once(':').unwrap();
    let note = AuditNote::new("test.prune").unwrap();
    let note = note.with("through", head.seq).with("hash", hash);
    fleet.tenancy.audit(&note).unwrap();
    for trigger in ["no_delete", "ends_forward", "ends_stay", "ends_said"] {
        raw(
            &fleet.tenancy,
            &format!("DROP TRIGGER __tenants_audit_{trigger}"),
        )
        .unwrap();
    }
    let through = head.seq;
    let sql = format!(
        "UPDATE __tenants_audit_ends SET pruned_through = {through},
             pruned_hash = (SELECT hash FROM __tenants_audit WHERE seq = {through});
         DELETE FROM __tenants_audit WHERE seq <= {through}"
    );
    raw(&fleet.tenancy, &sql).unwrap();
    let fault = fleet.tenancy.verify_audit().unwrap().fault;
    assert_eq!(fault, Some(AuditFault::Unsaid { through }));
}

#[test]
fn a_head_that_was_written_down_shows_a_chain_that_was_made_anew() {
    let fleet = fleet();
    fleet.create("TH001");
    let head = fleet.tenancy.audit_head().unwrap();
    fleet.create("TH002");
    let written: AuditHead = head.to_string().parse().unwrap();
    assert_eq!(written, head);
    assert!(
        fleet
            .tenancy
            .verify_audit_against(&written)
            .unwrap()
            .is_intact()
    );
    for other in [
        AuditHead {
            hash: [7; 32],
            ..head
        },
        AuditHead { seq: 99, ..head },
    ] {
        let verified = fleet.tenancy.verify_audit_against(&other).unwrap();
        assert_eq!(
            verified.fault,
            Some(AuditFault::Disowned { seq: other.seq })
        );
    }
    assert!("2:abc".parse::<AuditHead>().is_err());
}

#[test]
fn processes_that_write_at_once_make_one_chain() {
    let fleet = fleet();
    let mut processes = [0, 1].map(|_| Actor::spawn("note when told", &fleet.root));
    for process in &mut processes {
        assert_eq!(process.hear().unwrap(), "ready");
    }
    processes.iter_mut().for_each(|process| process.tell("go"));
    for number in 0..NOTES {
        let note = AuditNote::new("test.note").unwrap().with("number", number);
        fleet.tenancy.audit(&note).unwrap();
    }
    for process in &mut processes {
        assert_eq!(process.hear().unwrap(), "done");
    }
    let verified = fleet.tenancy.verify_audit().unwrap();
    assert_eq!((verified.sound as usize, verified.fault), (3 * NOTES, None));
}

/// A tenant that is not what it was has an entry that says who began it, and the log is whole: at any kill.
const DELETE: Operation = Operation {
    part: "purge",
    before: |root| {
        crashes::with_rows(root);
        let tenancy = builder(root).open().unwrap();
        tenancy.suspend(&id()).unwrap();
        tenancy.archive(&id()).unwrap();
        tenancy.delete(&id(), "TH001", Retention::NONE).unwrap();
    },
    outcome: |tenancy| {
        let begun = !actions(tenancy, &AuditFilter::all().action("purge.begin")).is_empty();
        let committed = !actions(tenancy, &AuditFilter::all().action("purge.commit")).is_empty();
        let gone = tenancy.tenants().unwrap().is_empty();
        // `world::check` has recovered it and verified the log.
        assert_eq!((begun, committed), (gone, gone));
        gone
    },
};

#[cfg(feature = "failpoints")]
#[test]
fn a_deletion_is_entered_before_it_is_done() {
    crashes::failpoints::every_step(&DELETE, 5);
}

#[test]
fn killed_at_any_system_call_the_log_says_what_was_done() {
    if crashes::strace_works() {
        assert!(crashes::kill_at_system_calls(&DELETE) >= 5);
    }
}

fn opened(tenancy: &Tenancy) -> usize {
    actions(tenancy, &AuditFilter::all().action("tenant.open")).len()
}

#[test]
fn ordinary_openings_are_written_in_batches() {
    let hour = Duration::from_secs(3600);
    let fleet = fleet_with(|b| b.audit(AuditPolicy::All).audit_batch(10, hour));
    let tenant = fleet.create("TH001");
    let open = || drop(tenant.enter().unwrap());
    (0..9).for_each(|_| open());
    assert_eq!(opened(&fleet.tenancy), 0);
    open();
    assert_eq!(opened(&fleet.tenancy), 10);
    open();
    fleet.tenancy.flush_audit().unwrap();
    assert_eq!(opened(&fleet.tenancy), 11);
    drop(
        fleet
            .tenancy
            .acting_as(user("nurse"))
            .tenant(&id())
            .unwrap(),
    );
    // The last ones are written when the library is closed.
    let root = fleet.root.clone();
    drop(tenant);
    drop(fleet.tenancy);
    let tenancy = builder(&root).open().unwrap();
    assert_eq!(opened(&tenancy), 12);
    let nurse = AuditFilter::all().actor(&"nurse".parse().unwrap());
    assert_eq!(actions(&tenancy, &nurse), ["tenant.open"]);
    assert!(tenancy.verify_audit().unwrap().is_intact());

    // An old batch is written by whoever comes next.
    let fleet = fleet_with(|b| b.audit(AuditPolicy::All).audit_batch(1_000, Duration::ZERO));
    let tenant = fleet.create("TH001");
    (0..3).for_each(|_| drop(tenant.enter().unwrap()));
    assert_eq!(opened(&fleet.tenancy), 3);
}

/// While the log cannot be written openings wait, then nobody gets in any more; and none is lost.
#[test]
fn what_cannot_be_written_waits_and_then_stops_the_next() {
    let hour = Duration::from_secs(3600);
    let fleet = fleet_with(|b| b.audit(AuditPolicy::All).audit_batch(5, hour));
    let tenant = fleet.create("TH001");
    let full = "CREATE TRIGGER full BEFORE INSERT ON __tenants_audit BEGIN SELECT RAISE(ABORT, 'full'); END";
    raw(&fleet.tenancy, full).unwrap();
    (0..20).for_each(|_| drop(tenant.enter().unwrap()));
    for _ in 0..3 {
        tenant.enter().unwrap_err();
    }
    assert!(fleet.tenancy.flush_audit().is_err());
    raw(&fleet.tenancy, "DROP TRIGGER full").unwrap();
    drop(tenant.enter().unwrap());
    fleet.tenancy.flush_audit().unwrap();
    assert_eq!(opened(&fleet.tenancy), 21);
}

/// A killed process loses what waits: fewer than a batch.
#[test]
fn a_killed_process_loses_less_than_a_batch() {
    let fleet = fleet();
    fleet.create("TH001");
    let mut process = Actor::spawn("open tenants", &fleet.root);
    let mut heard = 0;
    while heard < 37 {
        heard = process.hear().unwrap().parse().unwrap();
    }
    process.kill();
    let written = opened(&fleet.tenancy);
    assert!(written + 10 > heard, "{written} of {heard}");
    assert!(fleet.tenancy.verify_audit().unwrap().is_intact());
}

#[test]
fn entries_are_found_paged_and_exported() {
    let fleet = fleet();
    let one = fleet.create("TH001").record().unwrap().uuid;
    fleet.create("TH002");
    let tenancy = &fleet.tenancy;
    let first = tenancy.audit_entries(&AuditFilter::all(), 3).unwrap();
    assert_eq!(
        first.iter().map(|entry| entry.seq).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let rest = tenancy
        .audit_entries(&AuditFilter::all().after(3), 3)
        .unwrap();
    assert_eq!(rest.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [4]);
    assert_eq!(rest[0].prev_hash, first[2].hash);
    // As people read them.
    let newest = AuditFilter::all().newest_first();
    let numbers = |filter: &AuditFilter| {
        let found = tenancy.audit_entries(filter, 2).unwrap();
        found.iter().map(|entry| entry.seq).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&newest), [4, 3]);
    assert_eq!(numbers(&newest.clone().before(3)), [2, 1]);
    assert_eq!(numbers(&newest.before(1)), [0; 0]);
    assert_eq!(numbers(&AuditFilter::all().before(3)), [1, 2]);
    let now = std::time::SystemTime::now() + Duration::from_secs(1);
    assert_eq!(actions(tenancy, &AuditFilter::all().since(now)).len(), 0);
    assert_eq!(actions(tenancy, &AuditFilter::all().until(now)).len(), 4);

    let mut exported = Vec::new();
    let filter = AuditFilter::all().tenant_uuid(one).newest_first();
    assert_eq!(tenancy.export_audit(&filter, &mut exported).unwrap(), 2);
    let lines: Vec<serde_json::Value> = String::from_utf8(exported)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line["tenant_id"] == "TH001"));
    assert_eq!(lines[0]["hash"], first[0].hash);
    assert_eq!(
        actions(tenancy, &AuditFilter::all().after(4)),
        ["audit.export"]
    );
}

#[test]
fn entries_are_kept_for_six_years_at_least() {
    let fleet = fleet();
    fleet.create("TH001");
    let five = Duration::from_secs(5 * 366 * 24 * 60 * 60);
    let refused = fleet.tenancy.prune_audit(five).unwrap_err();
    assert!(
        matches!(refused, AuditError::RetentionTooShort { .. }),
        "{refused:?}"
    );
    assert_eq!(fleet.tenancy.prune_audit(2 * five).unwrap(), 0);
    assert_eq!(actions(&fleet.tenancy, &AuditFilter::all()).len(), 2);
}

/// A clock that is ahead by years would take away what must stay for six.
#[test]
fn a_clock_that_is_years_ahead_takes_no_entry_away() {
    let fleet = fleet();
    fleet.create("TH001");
    let note = AuditNote::new("test.note").unwrap();
    (0..70).for_each(|_| fleet.tenancy.audit(&note).unwrap());
    // As a clock eight years ahead has it: what is not by that clock is old enough.
    const YEARS: i64 = 8 * 366 * 24 * 60 * 60 * 1_000;
    let older = |which: &str, by: i64| {
        let sql = format!("UPDATE __tenants_audit SET at = at - {by} WHERE seq {which}");
        raw(&fleet.tenancy, &sql).unwrap();
    };
    raw(&fleet.tenancy, "DROP TRIGGER __tenants_audit_no_update").unwrap();
    let seven = Duration::from_secs(7 * 366 * 24 * 60 * 60);
    older("<= 9", YEARS);
    assert_eq!(fleet.tenancy.prune_audit(seven).unwrap(), 0);
    // Sixty-four entries later it is the time.
    older("= 9", -YEARS);
    assert_eq!(fleet.tenancy.prune_audit(seven).unwrap(), 8);
}
