//! What an operation, a context or the library itself does after something has failed under it.
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel_tenants::error::LifecycleError;
use diesel_tenants::prelude::*;

use crate::app::fleet;
use crate::world;

fn id(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// An operation is known as this process' own before anybody can find it in the journal.
#[test]
fn no_thread_settles_what_another_one_works_on() {
    let fleet = fleet();
    fleet.create("A1");
    let working = AtomicUsize::new(2);
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..20 {
                    match fleet.tenancy.compact(&id("A1")) {
                        Ok(_) | Err(LifecycleError::InProgress { .. }) => {}
                        Err(LifecycleError::WrongStatus { .. }) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                working.fetch_sub(1, Ordering::SeqCst);
            });
        }
        while AtomicUsize::load(&working, Ordering::SeqCst) > 0 {
            assert_eq!(fleet.tenancy.recover().unwrap(), 0, "nobody has died");
        }
    });
    world::check(&fleet.root);
}
