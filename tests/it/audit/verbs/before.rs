//! What is entered stands there before anything is done that cannot be taken back.
use super::*;

/// A verb, the first thing it does that cannot be taken back or that lets data out, and the entry that stands before it.
#[cfg(feature = "failpoints")]
const BEFORE: &[(&str, &str, &str)] = &[
    ("adopt", "adopt.staged", "tenant.adopt"),
    ("backup", "backup.begun", "backup.begin"),
    ("clone_from_backup", "restore.copied", "tenant.clone"),
    ("compact", "generation.fenced", "compact.begin"),
    ("create", "create.journaled", "create.begin"),
    (
        "discard_old_generations",
        "discard.begun",
        "generation.discard",
    ),
    ("drill", "drill.restored", "drill.begin"),
    ("export", "export.begun", "export.begin"),
    ("export", "export.published", "export.publish"),
    ("import", "import.schema", "tenant.import"),
    ("migrate_tenant", "migrate-tenant.begun", "migrate.begin"),
    ("purge", "purge.fenced", "purge.begin"),
    ("recreate", "generation.fenced", "recreate.begin"),
    ("remove_backup", "backup-remove.begun", "backup.remove"),
    ("repair", "repair.begun", "repair.begin"),
    ("restore", "generation.fenced", "restore.begin"),
    ("undo", "generation.fenced", "undo.begin"),
];

/// Kills a process that does something by `verb` at one of its steps.
pub(super) fn killed(verb: &str, point: &str, root: &Path) {
    let mut command = crate::actors::command(&format!("by {verb}"), root);
    command.env("DIESEL_TENANTS_FAILPOINT", format!("{point}=kill"));
    let mut child = Actor::from(command);
    assert_eq!(child.hear(), None, "{verb} does not come by {point}");
    child.wait();
}

/// What there must be for [`by_verb`].
fn prepare(root: &Path) {
    let t = build(root).open().unwrap();
    let one = at("TH001");
    for id in [one, at("TH002")] {
        t.create(&id, NewTenant::named("x")).unwrap();
    }
    let backup = t.backup(&one, &BackupOptions::default()).unwrap();
    let confirmed = RestoreOptions::confirmed("TH001").without_safety_backup();
    t.restore(&one, &BackupRef::from(&backup), &confirmed)
        .unwrap();
    crate::app::delete_at_once(&t, &at("TH002"));
    t.export(&one, root.with_file_name("export"), ExportFormat::Ndjson)
        .unwrap();
    let old = root.with_file_name("old.sqlite3");
    std::fs::write(&old, "").unwrap();
    let mut raw = SqliteConnection::establish(old.to_str().unwrap()).unwrap();
    raw.batch_execute("CREATE TABLE people (name text)")
        .unwrap();
}

/// Does something by a verb, as somebody with a name.
pub(in crate::audit) fn by_verb(verb: &str, root: &Path) {
    let t = build(root).open().unwrap();
    let (one, new) = (at("TH001"), at("TH009"));
    let backup = || t.backups(&BackupFilter::all()).unwrap()[0].id;
    let named = || BackupRef::id(backup());
    let called = || NewTenant::named("x");
    match verb {
        "adopt" => {
            let mapping = "format = 1\n[[table]]\nfrom = \"people\"\nto = \"patients\"\n";
            let (old, options) = (root.with_file_name("old.sqlite3"), AdoptOptions::default());
            drop(t.adopt(&new, called(), old, &mapping.parse().unwrap(), &options));
        }
        "backup" => drop(t.backup(&one, &BackupOptions::default())),
        "backup_all" => drop(t.backup_all(&BackupSetOptions::new(), |_| {})),
        "clone_from_backup" => {
            drop(t.clone_from_backup(&named(), &new, called(), &CloneOptions::default()));
        }
        "compact" => drop(t.compact(&one)),
        "create" => drop(t.create(&new, called())),
        "discard_old_generations" => drop(t.discard_old_generations(&one, Duration::ZERO)),
        "drill" => drop(t.drill(&named())),
        "export" => drop(t.export(&one, root.with_file_name("new"), ExportFormat::Ndjson)),
        "import" => drop(t.import(&new, called(), root.with_file_name("export"))),
        "migrate_tenant" => drop(t.migrate_tenant(&one)),
        "purge" => drop(t.purge(&at("TH002"), "TH002")),
        "recreate" => drop(t.recreate(&one, "TH001")),
        "remove_backup" => t.remove_backup(backup()).unwrap(),
        "repair" => {
            let plan = t.plan_repair(&one, &RepairOptions::default()).unwrap();
            drop(t.repair(&one, &plan));
        }
        "restore" => drop(t.restore(&one, &named(), &RestoreOptions::confirmed("TH001"))),
        "undo" => drop(t.undo(&one, "TH001")),
        other => panic!("{other}"),
    }
    say("done");
}

#[cfg(feature = "failpoints")]
#[test]
fn the_entry_stands_before_anything_is_done() {
    for (verb, point, action) in BEFORE {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        prepare(&root);
        let head = build(&root).open().unwrap().audit_head().unwrap().seq;
        killed(verb, point, &root);
        let tenancy = builder(&root).open().unwrap();
        let by_admin = AuditFilter::all().after(head).actor(admin().actor());
        let entered = actions(&tenancy, &by_admin);
        assert!(
            entered.iter().any(|entry| entry == action),
            "{verb}: at {point} there was {entered:?}"
        );
    }
}
