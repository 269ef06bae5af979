//! What an export says of itself: in the audit log.
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
