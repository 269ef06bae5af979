//! What has to be looked at from within.
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use diesel::connection::{Instrumentation, InstrumentationEvent};
use parking_lot::Mutex;

use super::{Leaving, NEVER, REAPED_AT_ONCE};
use crate::audit::AuditFilter;
use crate::catalog::{Status, TenantRecord};
use crate::clock::Coarse;
use crate::pool::PoolConfig;
use crate::prelude::*;

routes! {
    static NOWHERE;
    shared { }
    tenant { }
}

/// Who looks something up in the log keeps nobody waiting at a door, and waits for nobody there.
#[test]
fn the_log_is_not_read_by_the_connection_every_door_waits_for() {
    let dir = tempfile::tempdir().unwrap();
    let builder = Tenancy::<SqliteConnection>::builder(&NOWHERE).sqlite(dir.path().join("data"));
    let tenancy = builder.init().open().unwrap();
    tenancy
        .create(&"TH001".parse().unwrap(), NewTenant::named("x"))
        .unwrap();
    let (send, read) = mpsc::channel();
    let door = tenancy.registry.reader.lock();
    let reader = tenancy.clone();
    let thread = std::thread::spawn(move || {
        let entries = reader.audit_entries(&AuditFilter::all(), 10).unwrap();
        send.send((entries.len(), reader.audit_head().unwrap().seq))
            .unwrap();
    });
    let found = read.recv_timeout(Duration::from_secs(20));
    drop(door);
    thread.join().unwrap();
    assert_eq!(found, Ok((2, 2)));
}

/// A change that is committed has succeeded, although nothing can be read afterwards. It was called a failure, and an
/// undo that is done again is one that is taken back. What is not known meanwhile is not believed in either.
#[test]
fn what_is_committed_has_succeeded_although_it_cannot_be_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("data");
    let builder = Tenancy::<SqliteConnection>::builder(&NOWHERE).sqlite(&root);
    let long = Duration::from_secs(3600);
    let tenancy = builder.init().freshness(long).open().unwrap();
    let id = "TH001".parse().unwrap();
    tenancy.create(&id, NewTenant::named("x")).unwrap();
    let permit = |mode| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(root.join("shared.sqlite3"), mode).unwrap();
    };
    // The connection is lost, and none can be made.
    tenancy.registry.reader.lock().conn = SqliteConnection::establish(":memory:").unwrap();
    permit(0o666);
    tenancy.suspend(&id).unwrap();
    assert!(matches!(
        tenancy.tenant(&id),
        Err(crate::OpenError::Catalog(_))
    ));
    permit(0o600);
    let status = tenancy.handle(&id).unwrap().record().unwrap().status;
    assert_eq!(status, crate::Status::Suspended);
}

/// Put into a connection, says when that is closed which of the locks that everybody needs were free.
struct Closed {
    tenancy: Tenancy,
    seen: Arc<Mutex<Vec<(bool, bool)>>>,
}

impl Instrumentation for Closed {
    fn on_connection_event(&mut self, _: InstrumentationEvent<'_>) {}
}

impl Drop for Closed {
    fn drop(&mut self) {
        let registry = &self.tenancy.registry;
        let free = (
            registry.reader.try_lock().is_some(),
            registry.known.try_write().is_some(),
        );
        self.seen.lock().push(free);
    }
}

/// Closing the last connection of a database writes its log back. Two hundred of them, closed by the first to come in the
/// morning and under the lock that all who come after wait for, were seconds at every door.
#[test]
fn connections_are_closed_a_few_at_a_time_and_under_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let idle = Duration::from_millis(1);
    let builder = Tenancy::<SqliteConnection>::builder(&NOWHERE).sqlite(dir.path().join("data"));
    let tenancy = builder
        .init()
        .freshness(Duration::from_secs(3600))
        .pool(PoolConfig::default().with_idle_timeout(idle).unwrap())
        .open()
        .unwrap();
    let registry = &tenancy.registry;
    let seen = Arc::<Mutex<Vec<(bool, bool)>>>::default();
    let tenants = (0..REAPED_AT_ONCE + 2).map(|number| {
        let id = format!("TH{number}").parse().unwrap();
        tenancy.create(&id, NewTenant::named("x")).unwrap();
        registry.tenant(&id).unwrap()
    });
    let tenants: Vec<_> = tenants.collect();
    tenancy.reap_idle();
    let warm = |tenant: &super::Tenant<SqliteConnection>| {
        let mut checkout = tenant.database.slots().checkout().unwrap();
        let (tenancy, seen) = (tenancy.clone(), Arc::clone(&seen));
        let closed = Closed { tenancy, seen };
        diesel::Connection::set_instrumentation(checkout.conn_mut(), closed);
    };
    tenants.iter().for_each(|tenant| warm(tenant));
    let begun = Coarse::now();
    while Coarse::now().since(begun) < 10 * idle {
        std::thread::yield_now();
    }

    // Somebody is at it: nobody else is, and nobody waits.
    let one = registry.reaping.lock();
    registry.checked_at.store(NEVER, Ordering::Relaxed);
    registry.freshen().unwrap();
    assert!(seen.lock().is_empty());
    drop(one);
    for left in [2, 0] {
        registry.checked_at.store(NEVER, Ordering::Relaxed);
        registry.freshen().unwrap();
        let closed = [(true, true)].repeat(tenants.len() - left);
        assert_eq!(*seen.lock(), closed);
    }

    // The catalogue closes a tenant, moves it to its next database, and limits it anew.
    let record = |tenant: &super::Tenant<SqliteConnection>| TenantRecord::clone(&tenant.record());
    let changes = [
        TenantRecord {
            status: Status::Suspended,
            ..record(&tenants[0])
        },
        TenantRecord {
            generation: 2,
            ..record(&tenants[1])
        },
        TenantRecord {
            quota: Some(1 << 30),
            ..record(&tenants[2])
        },
    ];
    tenants[..changes.len()]
        .iter()
        .for_each(|tenant| warm(tenant));
    seen.lock().clear();
    let mut leaving = Leaving::none();
    registry.apply(changes.to_vec(), &mut leaving);
    assert!(seen.lock().is_empty(), "closed under the lock");
    drop(leaving);
    assert_eq!(seen.lock().len(), changes.len());

    // As it comes from the catalogue: nobody who needs the reader waits either.
    warm(&tenants[3]);
    tenancy.suspend(&"TH3".parse().unwrap()).unwrap();
    let seen = seen.lock().clone();
    assert_eq!(seen, [(true, true)].repeat(changes.len() + 1));
}
