//! Ordinary openings in a process that opens nothing more.
use std::time::Instant;

use super::*;

/// Threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Waits until it is so.
fn until(so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never was");
        std::thread::yield_now();
    }
}

/// Opens a tenant by each policy, says how many threads that made, and rests until it is told to close the library.
pub(super) fn play(root: &Path) {
    let open = |policy, delay| {
        let library = builder(root).audit(policy).audit_batch(1_000, delay);
        library.open().unwrap()
    };
    let at_first = threads();
    let long = Duration::from_secs(3600);
    let quiet = open(AuditPolicy::PrivilegedOnly, Duration::ZERO);
    drop(quiet.tenant(&id()).unwrap());
    say(threads() - at_first);
    drop(quiet);
    let tenancy = open(AuditPolicy::All, Duration::from_millis(20));
    say(threads() - at_first);
    for by in ["a", "b", "c"] {
        drop(tenancy.acting_as(user(by)).tenant(&id()).unwrap());
    }
    say(threads() - at_first);
    told();
    // However long it would sleep, and whatever waits.
    let sleeper = open(AuditPolicy::All, long);
    drop(sleeper.tenant(&id()).unwrap());
    drop((sleeper, tenancy));
    until(|| threads() == at_first);
    say("closed");
    told();
}

/// A process that opened a tenant for the last time, and then did nothing, kept that in memory for as long as it lived; it
/// was lost when it was killed.
#[test]
fn what_was_opened_last_is_written_though_nothing_more_is_opened() {
    let fleet = fleet();
    fleet.create("TH001");
    let mut process = Actor::spawn("rest after openings", &fleet.root);
    assert_eq!(process.hear().unwrap(), "0", "nothing waits by this policy");
    assert_eq!(process.hear().unwrap(), "0", "nothing waits yet");
    assert_eq!(process.hear().unwrap(), "1");
    let opened = AuditFilter::all().action("tenant.open");
    until(|| actions(&fleet.tenancy, &opened).len() == 3);
    process.tell("close");
    assert_eq!(process.hear().unwrap(), "closed");
    assert_eq!(actions(&fleet.tenancy, &opened).len(), 4);
    process.kill();
    assert!(fleet.tenancy.verify_audit().unwrap().is_intact());
}
