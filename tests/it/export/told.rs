//! What an export says of itself: in its report, and in the audit log.
use super::*;

/// The directory is there, whole. That its name may not outlive a power failure does not make it one that nobody has got.
#[test]
fn an_export_that_is_there_is_not_entered_as_failed() {
    if !crashes::strace_works() {
        return;
    }
    let fleet = fleet();
    fleet.create("TH001");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-P"]);
    strace.arg(place(&fleet.root).parent().unwrap());
    strace.args(["-e", "inject=fsync:error=EIO"]);
    let ended = crate::actors::command_under(strace, "export", &fleet.root).output();
    assert!(!ended.unwrap().status.success());
    assert!(place(&fleet.root).exists());
    let filter = diesel_tenants::audit::AuditFilter::all();
    let entries = fleet.tenancy.audit_entries(&filter, 100).unwrap();
    let has = |action: &str| entries.iter().any(|entry| entry.action == action);
    assert!(has("export.publish") && !has("export.fail"), "{entries:?}");
}

/// An import makes them empty, and no trigger fills them.
#[test]
fn virtual_tables_that_hold_rows_are_told_from_those_that_do_not() {
    let dir = crate::scratch::dir();
    let tenancy = kinds(&dir.path().join("data"));
    let tenant = tenancy.create(&id("A1"), NewTenant::named("A")).unwrap();
    let run = |sql: &str| {
        let mut ctx = tenant.enter().unwrap();
        ctx.unrouted("a virtual table", |raw| raw.connection().batch_execute(sql))
            .unwrap();
    };
    run(
        "CREATE VIRTUAL TABLE empty USING fts5 (word); CREATE VIRTUAL TABLE search USING fts5 (word);
         CREATE VIRTUAL TABLE terms USING fts5vocab (search, 'row');
         CREATE VIRTUAL TABLE bare USING fts5 (word, content = '');
         CREATE VIRTUAL TABLE \"the boxes\" USING rtree (id, low, high);",
    );
    let layouts = [ExportFormat::Ndjson, ExportFormat::Sqlite];
    for (number, format) in layouts.into_iter().enumerate() {
        let out = dir.path().join(format!("empty{number}"));
        let report = tenancy.export(&id("A1"), &out, format).unwrap();
        let all = ["bare", "both", "empty", "search", "terms", "the boxes"];
        assert_eq!(report.left_out, all);
        assert!(report.rows_left_out.is_empty(), "{report:?}");
    }
    run(
        "INSERT INTO search VALUES ('Ada'); INSERT INTO bare (rowid, word) VALUES (1, 'Ada');
         INSERT INTO \"the boxes\" VALUES (1, 0, 1);",
    );
    for (number, format) in layouts.into_iter().enumerate() {
        let out = dir.path().join(format!("filled{number}"));
        let report = tenancy.export(&id("A1"), &out, format).unwrap();
        assert_eq!(report.rows_left_out, ["bare", "search", "the boxes"]);
    }
}
