//! Every verb of the library, done once by somebody with a name, and the entries it leaves.
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::SystemTime;

use diesel::connection::SimpleConnection;
use diesel_tenants::access::Reason;
use diesel_tenants::adopt::{AdoptOptions, Mapping};
use diesel_tenants::audit::ACTIONS;
use diesel_tenants::fleet::MigrateTenant;
use diesel_tenants::repair::RepairOptions;
use diesel_tenants::verify::VerifyOptions;
use diesel_tenants::{
    BackupFilter, BackupSetOptions, Backups, CloneOptions, FanOut, MigrateFleet, MigrationScript,
    MigrationSet, PurgeOptions, RecreateOptions, ReferenceList, RetentionPolicy, Sqlite,
};

use super::*;
use crate::app::{admit, shared_migrations, tenant_migrations};
use crate::workflow::{Admission, who, with_trouble};

mod before;
mod public;

pub(super) use before::by_verb;
use before::killed;
use public::{QUIET, public_verbs};

/// Entries that cannot be had here.
const ELSEWHERE: &[(&str, &str)] = &[(
    "create.fail",
    "a disk that takes files and does not let them go",
)];

/// What was done so far, and what it left.
struct Day {
    tenancy: Tenancy,
    root: PathBuf,
    verbs: BTreeSet<&'static str>,
    actions: BTreeSet<String>,
    wrong: Vec<String>,
}

fn admin() -> Principal {
    user("admin").with_reason("as the table says".parse().unwrap())
}

/// The library as another build has it, with these migrations.
fn build(root: &Path) -> diesel_tenants::Builder<SqliteConnection, Sqlite> {
    builder(root)
        .acting_as(admin())
        .drain_timeout(Duration::from_millis(20))
}

impl Day {
    fn begin(root: &Path) -> Self {
        Self {
            tenancy: build(root).open().unwrap(),
            root: root.to_owned(),
            verbs: BTreeSet::new(),
            actions: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    /// Does something by a verb, and looks at the entries it leaves, in their order, all by the same actor.
    fn leaves<T>(
        &mut self,
        verb: &'static str,
        expected: &[&str],
        f: impl FnOnce(&Tenancy) -> T,
    ) -> T {
        let head = self.tenancy.audit_head().unwrap().seq;
        let made = f(&self.tenancy);
        self.left(verb, head, expected);
        made
    }

    fn left(&mut self, verb: &'static str, head: u64, expected: &[&str]) {
        let filter = AuditFilter::all().after(head);
        let entries = self.tenancy.audit_entries(&filter, 1_000).unwrap();
        for entry in &entries {
            let by = (entry.actor.as_str(), entry.reason.as_deref());
            if by != ("admin", Some("as the table says")) {
                self.wrong
                    .push(format!("{verb}: {} by {by:?}", entry.action));
            }
        }
        let actions: Vec<_> = entries.into_iter().map(|entry| entry.action).collect();
        if actions != expected {
            self.wrong
                .push(format!("{verb} left {actions:?}, not {expected:?}"));
        }
        self.verbs.insert(verb);
        self.actions.extend(actions);
    }

    /// Opens the library anew, as another build if need be.
    fn reopen(&mut self, tenancy: Tenancy) {
        self.tenancy = tenancy;
    }
}

fn at(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn sql(tenancy: &Tenancy, tenant: &str, sql: &str) {
    let mut ctx = tenancy.tenant(&at(tenant)).unwrap();
    ctx.unrouted("test", |raw| raw.connection().batch_execute(sql))
        .unwrap();
}

fn reason() -> Reason {
    "as the table says".parse().unwrap()
}

fn later(set: MigrationSet, sql: &'static str) -> MigrationSet {
    let later = MigrationScript::new("20260201000000", "later", sql);
    set.iter().cloned().chain([later]).collect()
}

fn lives(day: &mut Day) {
    let one = at("TH001");
    day.leaves("create", &["create.begin", "create.commit"], |t| {
        t.create(&one, NewTenant::named("x")).unwrap()
    });
    day.leaves("ensure", &[], |t| {
        t.ensure(&one, NewTenant::named("x")).unwrap()
    });
    day.leaves("ensure", &["create.begin", "create.commit"], |t| {
        t.ensure(&at("TH002"), NewTenant::named("x")).unwrap()
    });
    day.leaves("rename", &["tenant.rename"], |t| {
        t.rename(&one, Rename::new().display_name("y")).unwrap();
    });
    day.leaves("set_quota", &["tenant.quota"], |t| {
        t.set_quota(&one, None).unwrap()
    });
    day.leaves("set_plan", &["tenant.plan"], |t| {
        t.set_plan(&one, Some("basic")).unwrap()
    });
    day.leaves("compact", &["compact.begin", "compact.commit"], |t| {
        t.compact(&one).unwrap()
    });
    let failed = ["compact.begin", "compact.undo", "compact.settled"];
    day.leaves("compact", &failed, |t| {
        let _open = t.tenant(&one).unwrap();
        t.compact(&one).unwrap_err()
    });
    day.leaves("suspend", &["tenant.suspend"], |t| t.suspend(&one).unwrap());
    day.leaves("resume", &["tenant.resume"], |t| t.resume(&one).unwrap());
    day.leaves("tenant", &[], |t| drop(t.tenant(&one).unwrap()));
    let two = at("TH002");
    day.tenancy.suspend(&two).unwrap();
    day.leaves("archive", &["tenant.archive"], |t| t.archive(&two).unwrap());
    day.leaves("unarchive", &["tenant.unarchive"], |t| {
        t.unarchive(&two).unwrap()
    });
    day.tenancy.archive(&two).unwrap();
    day.leaves("delete", &["tenant.delete"], |t| {
        t.delete(&two, "TH002", Retention::days(1)).unwrap();
    });
    day.leaves("undelete", &["tenant.undelete"], |t| {
        t.undelete(&two).unwrap()
    });
    day.leaves("hold", &["tenant.hold"], |t| t.hold(&two, "why").unwrap());
    day.leaves("release_hold", &["tenant.release"], |t| {
        t.release_hold(&two).unwrap()
    });
}

fn ends(day: &mut Day) {
    let purged = ["purge.begin", "purge.commit"];
    let later = at("TH012");
    let reserve = |t: &Tenancy| drop(t.reserve(&later, NewTenant::named("x")).unwrap());
    day.leaves("reserve", &["tenant.reserve"], reserve);
    day.leaves("unreserve", &["tenant.unreserve"], |t| {
        t.unreserve(&later).unwrap()
    });
    reserve(&day.tenancy);
    day.leaves("complete", &["create.begin", "create.commit"], |t| {
        drop(t.complete(&later).unwrap())
    });
    for id in ["TH011", "TH012", "TH013"].map(at) {
        let t = &day.tenancy;
        t.ensure(&id, NewTenant::named("x")).unwrap();
        if id == at("TH011") {
            // One that has another database, besides.
            let backup = t.backup(&id, &BackupOptions::default()).unwrap();
            let confirmed = RestoreOptions::confirmed("TH011").without_safety_backup();
            t.restore(&id, &BackupRef::from(&backup), &confirmed)
                .unwrap();
        }
        crate::app::delete_at_once(t, &id);
    }
    let with_another = ["purge.begin", "generation.forget", "purge.commit"];
    let certificate = day.leaves("purge", &with_another, |t| {
        t.purge(&at("TH011"), "TH011").unwrap()
    });
    let prepared = [
        "purge.prepare",
        "backup.begin",
        "backup.commit",
        "purge.begin",
        "purge.commit",
    ];
    let options = PurgeOptions::default().final_backup(BackupOptions::default());
    let failed = [
        "purge.prepare",
        "backup.begin",
        "backup.undo",
        "purge.undo",
        "purge.settled",
    ];
    day.leaves("purge_with", &failed, |t| {
        let file = t.database_file(&at("TH012")).unwrap().path;
        let aside = file.with_extension("aside");
        std::fs::rename(&file, &aside).unwrap();
        t.purge_with(&at("TH012"), "TH012", &options).unwrap_err();
        std::fs::rename(&aside, &file).unwrap();
    });
    day.leaves("purge_with", &prepared, |t| {
        t.purge_with(&at("TH012"), "TH012", &options).unwrap()
    });
    day.leaves("purge_due", &purged, |t| {
        t.purge_due(["TH013"], &PurgeOptions::default(), |_, _| {})
            .unwrap()
    });
    // Something comes back.
    let directory = format!("th011-{}", &certificate.uuid.simple().to_string()[24..]);
    let directory = day.root.join("tenants").join(directory);
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("g1.sqlite3"), "x").unwrap();
    day.leaves("purge_undead", &purged, |t| {
        t.purge_undead(&certificate.uuid, "TH011").unwrap()
    });
}

fn copies(day: &mut Day) {
    let one = at("TH001");
    let backed_up = ["backup.begin", "backup.commit"];
    let backup = day.leaves("backup", &backed_up, |t| {
        t.backup(&one, &BackupOptions::default()).unwrap()
    });
    day.leaves("backup_shared", &backed_up, |t| {
        t.backup_shared(&BackupOptions::default()).unwrap()
    });
    day.leaves("backup", &["backup.begin", "backup.undo"], |t| {
        let file = t.database_file(&one).unwrap().path;
        let aside = file.with_extension("aside");
        std::fs::rename(&file, &aside).unwrap();
        t.backup(&one, &BackupOptions::default()).unwrap_err();
        std::fs::rename(&aside, &file).unwrap();
    });
    let named = BackupRef::from(&backup);
    day.leaves("verify_backup", &["backup.verify"], |t| {
        t.verify_backup(&named).unwrap()
    });
    day.leaves("drill", &["drill.begin", "drill.end"], |t| {
        t.drill(&named).unwrap()
    });
    // Of a tenant, of two that were purged, of the shared database.
    let four = ["drill.begin", "drill.end"].repeat(4);
    day.leaves("drill_all", &four, |t| t.drill_all().unwrap());
    day.leaves("drill_newest", &["drill.begin", "drill.end"], |t| {
        t.drill_newest(&diesel_tenants::DrillOptions::default().sample(1))
            .unwrap()
    });
    day.leaves("pin_backup", &["backup.pin"], |t| {
        t.pin_backup(backup.id, true).unwrap()
    });
    day.leaves("pin_backup", &["backup.unpin"], |t| {
        t.pin_backup(backup.id, false).unwrap()
    });

    let restored = [
        "restore.begin",
        "restore.source",
        "backup.begin",
        "backup.commit",
        "restore.commit",
    ];
    let confirmed = RestoreOptions::confirmed("TH001");
    day.leaves("restore", &restored, |t| {
        t.restore(&one, &named, &confirmed).unwrap()
    });
    let failed = ["restore.begin", "restore.undo", "restore.settled"];
    day.leaves("restore", &failed, |t| {
        let _open = t.tenant(&one).unwrap();
        t.restore(&one, &named, &confirmed).unwrap_err()
    });
    day.leaves("undo", &["undo.begin", "undo.commit"], |t| {
        t.undo(&one, "TH001").unwrap()
    });
    day.leaves("undo", &["undo.begin", "undo.undo", "undo.settled"], |t| {
        let _open = t.tenant(&one).unwrap();
        t.undo(&one, "TH001").unwrap_err()
    });
    let oldest = day.tenancy.old_generations(&one).unwrap();
    let oldest = oldest.last().unwrap().generation;
    day.leaves("undo_to", &["undo.begin", "undo.commit"], |t| {
        t.undo_to(&one, oldest, "TH001").unwrap()
    });
    let discarded = ["generation.discard"; 3];
    day.leaves("discard_old_generations", &discarded, |t| {
        t.discard_old_generations(&one, Duration::ZERO).unwrap()
    });
    let recreated = [
        "recreate.begin",
        "backup.begin",
        "backup.commit",
        "recreate.commit",
    ];
    day.leaves("recreate", &recreated, |t| {
        t.recreate(&one, "TH001").unwrap()
    });
    let failed = ["recreate.begin", "recreate.undo", "recreate.settled"];
    day.leaves("recreate_with", &failed, |t| {
        let _open = t.tenant(&one).unwrap();
        t.recreate_with(&one, "TH001", &RecreateOptions::default())
            .unwrap_err()
    });
    let cloned = ["create.begin", "tenant.clone", "create.commit"];
    day.leaves("clone_from_backup", &cloned, |t| {
        let options = CloneOptions::default();
        t.clone_from_backup(&named, &at("TH021"), NewTenant::named("x"), &options)
            .unwrap()
    });

    let members = day.tenancy.tenants().unwrap().len() + 1;
    let mut set = vec!["backup-set.begin"];
    (0..members).for_each(|_| set.extend(backed_up));
    set.push("backup-set.commit");
    let one_by_one = BackupSetOptions::new().workers(1);
    day.leaves("backup_all", &set, |t| {
        t.backup_all(&one_by_one, |_| {}).unwrap()
    });
    day.leaves("remove_backup", &["backup.remove"], |t| {
        t.remove_backup(backup.id).unwrap()
    });
    for backup in day.tenancy.backups(&BackupFilter::all()).unwrap() {
        if backup.set.is_some() {
            day.tenancy.remove_backup(backup.id).unwrap();
        }
    }
    // What a deleted tenant kept goes with it.
    let policy = RetentionPolicy::default();
    day.leaves("prune_backups", &["backup-set.remove"], |t| {
        t.prune_backups(&policy, false).unwrap()
    });
}

fn hand_overs(day: &mut Day) {
    let one = at("TH001");
    let mut ctx = day.tenancy.tenant(&one).unwrap();
    admit(&mut ctx, "Ada").unwrap();
    drop(ctx);
    let outside = day.root.with_file_name("outside");
    std::fs::create_dir(&outside).unwrap();
    let export = outside.join("export");
    day.leaves("export", &["export.begin", "export.publish"], |t| {
        t.export(&one, &export, ExportFormat::Ndjson).unwrap()
    });
    // A page of a table that nobody can read.
    let three = at("TH003");
    day.tenancy.create(&three, NewTenant::named("x")).unwrap();
    let file = day.tenancy.database_file(&three).unwrap().path;
    let mut raw = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let page = "SELECT rootpage || '' AS line FROM sqlite_schema WHERE name = 'patients'";
    let page = diesel::RunQueryDsl::get_result::<Line>(diesel::sql_query(page), &mut raw);
    drop(raw);
    let page: u64 = page.unwrap().line.parse().unwrap();
    let file = std::fs::File::options().write(true).open(file).unwrap();
    file.write_all_at(&[0; 4096], (page - 1) * 4096).unwrap();
    day.leaves("export", &["export.begin", "export.fail"], |t| {
        let place = outside.join("again");
        t.export(&three, &place, ExportFormat::Ndjson).unwrap_err();
    });
    let imported = ["create.begin", "tenant.import", "create.commit"];
    day.leaves("import", &imported, |t| {
        drop(
            t.import(&at("TH031"), NewTenant::named("x"), &export)
                .unwrap(),
        )
    });

    let old = outside.join("old.sqlite3");
    std::fs::write(&old, "").unwrap();
    let mut raw = SqliteConnection::establish(old.to_str().unwrap()).unwrap();
    let people = "CREATE TABLE people (id integer PRIMARY KEY, name text, ward text);
                  INSERT INTO people VALUES (1, 'Ada', 'A')";
    raw.batch_execute(people).unwrap();
    drop(raw);
    let mapping: Mapping = "format = 1\n[[table]]\nfrom = \"people\"\nto = \"patients\"\n"
        .parse()
        .unwrap();
    let adopted = ["create.begin", "tenant.adopt", "create.commit"];
    let adopt = |t: &Tenancy, id: &str, mapping: &Mapping| {
        let new = NewTenant::named("x");
        t.adopt(&at(id), new, &old, mapping, &AdoptOptions::default())
            .is_ok()
    };
    day.leaves("adopt", &adopted, |t| assert!(adopt(t, "TH032", &mapping)));
    let refused = ["create.begin", "tenant.adopt", "create.undo"];
    day.leaves("adopt", &refused, |t| {
        let other = "format = 1\n[[table]]\nfrom = \"nobody\"\nto = \"patients\"\n";
        assert!(!adopt(t, "TH033", &other.parse().unwrap()));
    });

    let apply = |ctx: &mut TenantContext| admit(ctx, "pushed");
    let list = ReferenceList::new("drugs", 1, "", apply).unwrap();
    let push = |t: &Tenancy| t.push_reference(&list, FanOut::new(), |_| {}).unwrap();
    day.leaves(
        "push_reference",
        &["reference.announce", "reference.push"],
        |t| drop(push(t)),
    );
    day.leaves("push_reference", &["reference.push"], |t| drop(push(t)));
    day.leaves("for_each_tenant", &[], |t| {
        let _ = t.for_each_tenant(FanOut::new(), |_| Ok(()));
    });
    day.leaves("aggregate", &[], |t| {
        let _ = t.aggregate(FanOut::new(), 0, |_| Ok(1), |sum, _, one: i32| *sum += one);
    });
}

fn health(day: &mut Day) {
    let one = at("TH001");
    let file = day.tenancy.database_file(&one).unwrap().path;
    std::fs::write(file.with_file_name(".new-g99.sqlite3"), "x").unwrap();
    day.leaves("remove_leftovers", &["leftover.remove"], |t| {
        t.remove_leftovers(&one).unwrap()
    });
    let options = VerifyOptions::default();
    day.leaves("verify", &["verify.tenant"], |t| {
        t.verify(&one, &options).unwrap()
    });
    day.leaves("verify", &["verify.tenant"], |t| {
        t.verify(&one, &options.clone().remember(false)).unwrap()
    });
    day.leaves("verify_shared", &["verify.shared"], |t| {
        t.verify_shared(&options).unwrap()
    });
    day.leaves("verify_fleet", &["verify.shared", "verify.fleet"], |t| {
        t.verify_fleet(&options, |_| {}).unwrap()
    });
    sql(&day.tenancy, "TH001", "DROP TABLE archive");
    let plan = day.tenancy.plan_repair(&one, &RepairOptions::default());
    let plan = plan.unwrap();
    let repaired = [
        "repair.begin",
        "backup.begin",
        "backup.commit",
        "repair.commit",
    ];
    day.leaves("repair", &repaired, |t| t.repair(&one, &plan).unwrap());
    // The plan was for the database as it was.
    let refused = [
        "repair.begin",
        "backup.begin",
        "backup.commit",
        "repair.settled",
    ];
    day.leaves("repair", &refused, |t| t.repair(&one, &plan).unwrap_err());
}

fn access(day: &mut Day) {
    let (one, minute) = (at("TH001"), Duration::from_secs(60));
    let grant = day.leaves("break_glass", &["break-glass.open"], |t| {
        t.break_glass(&admin(), &one, reason(), minute).unwrap()
    });
    day.leaves("tenant_as", &["tenant.open"], |t| {
        drop(t.tenant_as(&admin(), &one).unwrap())
    });
    day.leaves("close_grant", &["break-glass.close"], |t| {
        t.close_grant(grant.id).unwrap()
    });
    let soon = Duration::from_millis(1);
    let short = day.tenancy.break_glass(&admin(), &one, reason(), soon);
    while SystemTime::now() <= short.as_ref().unwrap().expires_at {
        std::thread::yield_now();
    }
    day.leaves("active_grants", &["break-glass.expire"], |t| {
        assert_eq!(t.active_grants().unwrap(), []);
    });
    let noted = AuditNote::new("patients.export").unwrap();
    day.leaves("audit", &["patients.export"], |t| t.audit(&noted).unwrap());
    day.leaves("export_audit", &["audit.export"], |t| {
        t.export_audit(&AuditFilter::all(), &mut Vec::new())
            .unwrap()
    });
    day.reopen(build(&day.root).audit(AuditPolicy::All).open().unwrap());
    day.leaves("flush_audit", &["tenant.open"], |t| {
        drop(t.tenant(&one).unwrap());
        t.flush_audit().unwrap();
    });
    day.reopen(build(&day.root).open().unwrap());
}

fn workflows(day: &mut Day) {
    let one = at("TH001");
    let run = |t: &Tenancy, who| t.run_workflow(&Admission, &one, None, who);
    let done = ["workflow.begin", "workflow.commit"];
    day.leaves("run_workflow", &done, |t| run(t, who("Ada")).unwrap());
    let undone = ["workflow.begin", "workflow.undo"];
    let failing = || with_trouble("Ada", "patient");
    day.leaves("run_workflow", &undone, |t| run(t, failing()).unwrap_err());
    let veto = |t: &Tenancy, name: &str| {
        let mut shared = t.shared().unwrap();
        let row = crate::app::users::name.eq(name.to_owned());
        let row = diesel::insert_into(crate::app::users::table).values(row);
        row.execute(&mut shared).unwrap();
    };
    veto(&day.tenancy, "veto on undo");
    let stuck = ["workflow.begin", "workflow.stuck"];
    day.leaves("run_workflow", &stuck, |t| run(t, failing()).unwrap_err());
    let left = day.tenancy.unfinished_workflows().unwrap()[0].id;
    let retried = ["workflow.retry", "workflow.stuck"];
    day.leaves("retry_workflow", &retried, |t| {
        t.retry_workflow(left).unwrap_err()
    });
    let lifted = crate::app::users::name.eq("veto on undo");
    diesel::delete(crate::app::users::table.filter(lifted))
        .execute(&mut day.tenancy.shared().unwrap())
        .unwrap();
    let retried = ["workflow.retry", "workflow.undo"];
    day.leaves("retry_workflow", &retried, |t| {
        t.retry_workflow(left).unwrap()
    });
    veto(&day.tenancy, "veto on undo");
    day.leaves("run_workflow", &stuck, |t| run(t, failing()).unwrap_err());
    let left = day.tenancy.unfinished_workflows().unwrap()[0].id;
    for entries in [&["workflow.abandon"][..], &[]] {
        day.leaves("abandon_workflow", entries, |t| {
            t.abandon_workflow(left, &reason()).unwrap()
        });
    }
    diesel::delete(crate::app::users::table.filter(lifted))
        .execute(&mut day.tenancy.shared().unwrap())
        .unwrap();
}

fn migrations(day: &mut Day) {
    let one = at("TH001");
    day.leaves(
        "migrate_tenant",
        &["migrate.begin", "migrate.commit"],
        |t| t.migrate_tenant(&one).unwrap(),
    );
    day.leaves(
        "migrate_tenant_with",
        &["migrate.begin", "migrate.commit"],
        |t| {
            t.migrate_tenant_with(&one, &MigrateTenant::default())
                .unwrap()
        },
    );
    day.leaves("migrate_shared", &[], |t| t.migrate_shared().unwrap());
    // What rows of one tenant do not allow.
    let unique = "CREATE UNIQUE INDEX once ON patients (name)";
    let mut ctx = day.tenancy.tenant(&one).unwrap();
    admit(&mut ctx, "Ada").unwrap();
    admit(&mut ctx, "Ada").unwrap();
    drop(ctx);
    let head = day.tenancy.audit_head().unwrap().seq;
    let table = "CREATE TABLE wards (id INTEGER PRIMARY KEY NOT NULL)";
    let build = build(&day.root)
        .shared_migrations(later(shared_migrations(), table))
        .tenant_migrations(later(tenant_migrations(), unique));
    day.reopen(build.open().unwrap());
    day.left("open", head, &["shared.migrate"]);
    day.leaves(
        "migrate_tenant",
        &["migrate.begin", "migrate.settled"],
        |t| t.migrate_tenant(&one).unwrap_err(),
    );
    let fleet = [
        "migrate-fleet.begin",
        "migrate.begin",
        "migrate.commit",
        "migrate-fleet.finish",
    ];
    day.leaves("migrate_fleet", &fleet, |t| {
        let only = MigrateFleet::default().only([at("TH002")]);
        t.migrate_fleet(&only, |_| {}).unwrap()
    });
    // One that died is gone on with; the tenant that cannot be migrated still cannot.
    let run = interrupted(&day.tenancy);
    let resumed = ["migrate.begin", "migrate.settled", "migrate-fleet.finish"];
    day.leaves("resume_fleet_run", &resumed, |t| {
        t.resume_fleet_run(run, &MigrateFleet::default(), |_| {})
            .unwrap()
    });
    // Another is stopped.
    let stopped = ["migrate-fleet.stop", "migrate-fleet.finish"];
    let run = interrupted(&day.tenancy);
    day.leaves("stop_fleet_run", &stopped, |t| {
        assert!(t.stop_fleet_run(run).unwrap())
    });
}

/// Begins a run and dies over its first tenant.
fn interrupted(tenancy: &Tenancy) -> uuid::Uuid {
    let dies = MigrateFleet::default().only([at("TH001")]);
    let dies = dies.before_each(|_| panic!("dies here"));
    let run = || tenancy.migrate_fleet(&dies, |_| {});
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
    tenancy.fleet_runs().unwrap()[0].id
}

/// What killed processes left is settled in the name of whoever opens the library next.
fn recovered(day: &mut Day) {
    for (verb, point, settled) in [
        ("create", "create.committed", "create.settled"),
        ("backup_all", "backup-set.begun", "backup-set.undo"),
    ] {
        killed(verb, point, &day.root);
        day.leaves("recover", &[settled], |t| t.recover().unwrap());
    }
}

/// An old catalogue comes back, and learns what happened since.
fn restored(day: &mut Day) {
    let root = day.root.with_file_name("restored");
    let tenancy = build(&root).open().unwrap();
    for id in ["TH001", "TH003"].map(at) {
        tenancy.create(&id, NewTenant::named("x")).unwrap();
    }
    let only_shared = BackupSetOptions::new().workers(1);
    tenancy.backup_all(&only_shared, |_| {}).unwrap();
    tenancy.compact(&at("TH001")).unwrap();
    crate::app::delete_at_once(&tenancy, &at("TH003"));
    tenancy.purge(&at("TH003"), "TH003").unwrap();
    tenancy.create(&at("TH002"), NewTenant::named("x")).unwrap();
    drop(tenancy);
    let backups = Backups::<SqliteConnection>::at(root.join("backups")).unwrap();
    let shared = backups.list().iter().find(|backup| backup.tenant.is_none());
    let restored = build(&root).restore_shared(&shared.unwrap().path).unwrap();
    day.reopen(build(&root).open().unwrap());
    // The entry that begins the backup is the newest it has.
    let begun = AuditFilter::all().action("backup.begin");
    let begun = day.tenancy.audit_entries(&begun, 10).unwrap();
    let expected = [
        "tenant.found",
        "catalog.restore",
        "backup.found",
        "backup-set.found",
        "tenant.bury",
    ];
    day.left("restore_shared", begun.last().unwrap().seq, &expected);
    day.leaves(
        "reclaim_orphan",
        &["create.begin", "create.reclaimed"],
        |t| {
            t.reclaim_orphan(restored.orphans[0].uuid, NewTenant::named("x"))
                .unwrap()
        },
    );
    // What was set aside says by whom it was.
    let aside = restored.aside.unwrap();
    let mut aside = SqliteConnection::establish(aside.to_str().unwrap()).unwrap();
    let last =
        "SELECT actor || ' ' || action AS line FROM __tenants_audit ORDER BY seq DESC LIMIT 1";
    let last =
        diesel::RunQueryDsl::get_result::<Line>(diesel::sql_query(last), &mut aside).unwrap();
    assert_eq!(last.line, "admin catalog.replace");
    day.actions.insert("catalog.replace".to_owned());
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

/// The table of what is entered: each part of the day does something by every verb, and says what it leaves.
#[test]
fn every_verb_leaves_its_entries_in_the_name_of_who_asked() {
    let dir = tempfile::tempdir().unwrap();
    let mut day = Day::begin(&dir.path().join("data"));
    // An entry of 1970, to be pruned later. Nobody looks at its hash once it is gone.
    let ancient = "INSERT INTO __tenants_audit
         SELECT 1, 0, 'x', 'user', NULL, 'x.y', NULL, NULL, NULL, NULL, NULL, '{}', head_hash, zeroblob(32)
         FROM __tenants_audit_ends;
         UPDATE __tenants_audit_ends SET head_seq = 1, head_hash = zeroblob(32)";
    raw(&day.tenancy, ancient).unwrap();
    lives(&mut day);
    ends(&mut day);
    copies(&mut day);
    hand_overs(&mut day);
    health(&mut day);
    access(&mut day);
    workflows(&mut day);
    recovered(&mut day);
    migrations(&mut day);
    day.leaves("prune_audit", &["audit.prune"], |t| {
        t.prune_audit(Duration::from_secs(10 * 366 * 24 * 60 * 60))
            .unwrap()
    });
    assert!(day.tenancy.verify_audit().unwrap().is_intact());
    restored(&mut day);
    assert!(day.tenancy.verify_audit().unwrap().is_intact());
    assert!(day.wrong.is_empty(), "{:#?}", day.wrong);

    // A verb that is new leaves nothing, and says so above, or is done here.
    let known: BTreeSet<String> = QUIET
        .iter()
        .chain(&day.verbs)
        .map(|verb| (*verb).into())
        .collect();
    assert_eq!(public_verbs(), known);
    assert!(day.verbs.iter().all(|verb| !QUIET.contains(verb)));
    // An entry that is new is seen here.
    let listed = ACTIONS.iter().map(|(action, _)| (*action).to_owned());
    let elsewhere: BTreeSet<_> = ELSEWHERE
        .iter()
        .map(|(action, _)| (*action).to_owned())
        .collect();
    day.actions.remove("patients.export");
    let seen: BTreeSet<_> = day.actions.union(&elsewhere).cloned().collect();
    assert_eq!(listed.collect::<BTreeSet<_>>(), seen);
}

#[test]
fn the_list_of_actions_is_in_order_and_each_is_one() {
    assert!(ACTIONS.is_sorted_by(|a, b| a.0.replace('.', " ") < b.0.replace('.', " ")));
    for (action, _) in ACTIONS {
        assert!(AuditNote::new(format!("x.{action}")).is_ok(), "{action}");
    }
}
