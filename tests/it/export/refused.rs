//! Exports that are not what their manifest says, or no files at all.
use super::*;

/// An export of a tenant with a row, and the fleet it is of.
fn exported() -> (app::Fleet, PathBuf) {
    let fleet = fleet();
    admit(&mut fleet.create("A1").enter().unwrap(), "Ada").unwrap();
    let out = fleet.root.with_file_name("out");
    let export = |format, out: &Path| fleet.tenancy.export(&id("A1"), out, format).unwrap();
    export(ExportFormat::Ndjson, &out);
    (fleet, out)
}

fn import(fleet: &app::Fleet, out: &Path) -> ImportError {
    let new = NewTenant::named("B");
    fleet.tenancy.import(&id("B1"), new, out).unwrap_err()
}

/// Who imports it would have a tenant without what was left out, and nobody would know.
#[test]
fn an_export_that_lacks_a_table_is_refused() {
    let (fleet, out) = exported();
    let path = out.join("manifest.json");
    let manifest = std::fs::read(&path).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let tables = manifest["tables"].as_array_mut().unwrap();
    tables.retain(|table| table["name"] != "visits");
    std::fs::write(&path, manifest.to_string()).unwrap();
    // The files of the tables after it have other numbers in their names only if the names are no good for files.
    sign(&out);
    let error = import(&fleet, &out);
    assert!(
        matches!(&error, ImportError::MissingTable { table } if table == "visits"),
        "{error}"
    );
    assert_eq!(fleet.tenancy.tenants().unwrap().len(), 1);
}

/// Opening a pipe waits for ever, and reading one gives whatever somebody writes into it.
#[test]
fn a_pipe_in_an_export_is_not_waited_for() {
    for name in ["manifest.json", "SHA256SUMS", "tables/patients.ndjson"] {
        let (fleet, out) = exported();
        let path = out.join(name);
        std::fs::remove_file(&path).unwrap();
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let (told, result) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _ = told.send((import(&fleet, &out), fleet));
        });
        let waited = result.recv_timeout(std::time::Duration::from_secs(20));
        let (error, _fleet) = waited.expect(name);
        assert!(matches!(error, ImportError::File(_)), "{name}: {error}");
    }
}

/// An operation fences the tenant's database after the export has connected to it, and before it is copied.
#[cfg(feature = "failpoints")]
#[test]
fn a_copy_has_nothing_of_the_library() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    crashes::with_rows(&root);
    let signals = dir.path();
    let (mut exporting, go_on) = crashes::paused("export sqlite", &root, "export.begun", signals);
    let (_compacting, _) = crashes::paused("compact", &root, "generation.fenced", signals);
    std::fs::File::create(go_on).unwrap();
    assert_eq!(exporting.hear().as_deref(), Some("exported"));
    let copy = place(&root).join("tenant.sqlite3");
    let mut raw = SqliteConnection::establish(copy.to_str().unwrap()).unwrap();
    #[derive(QueryableByName)]
    struct Name {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let all = diesel::sql_query("SELECT name FROM sqlite_schema ORDER BY name");
    let names = diesel::RunQueryDsl::load::<Name>(all, &mut raw).unwrap();
    let own = |name: &Name| name.name.starts_with("__tenants");
    assert!(names.len() > 2);
    let own: Vec<_> = names
        .iter()
        .filter(|name| own(name))
        .map(|n| &n.name)
        .collect();
    assert!(own.is_empty(), "{own:?}");
}

/// It has rows of people under a name nobody looks at, and there may be no next export to clear it away.
#[cfg(feature = "failpoints")]
#[test]
fn what_a_failed_export_has_written_is_gone_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    crashes::with_rows(&root);
    let go_on = dir.path().join("go on");
    let mut command = crate::actors::command("export twice", &root);
    let pause = format!("export.written=pause:{}", go_on.display());
    command.env("DIESEL_TENANTS_FAILPOINT", pause);
    let mut exporting = crate::actors::Actor::from(command);
    assert_eq!(exporting.hear().as_deref(), Some("ready"));
    exporting.tell("go on");
    while !dir.path().join("go on.reached").exists() {
        assert!(!exporting.is_gone());
        std::thread::yield_now();
    }
    let staging = place(&root).with_file_name(".new-out");
    assert!(staging.join("tables/patients.ndjson").exists());
    std::fs::create_dir(place(&root)).unwrap();
    std::fs::File::create(go_on).unwrap();
    let said = exporting.hear().unwrap();
    assert!(said.contains("Exists"), "{said}");
    assert!(!staging.exists());
}
