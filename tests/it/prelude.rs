//! The prelude stands in nobody's way.
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel_tenants::prelude::*;

struct Job;

impl Job {
    fn execute(&self, times: usize) -> usize {
        times
    }
    fn get_result(&self) -> usize {
        1
    }
}

/// The names of our query methods are common ones, and taken by value they go before methods taken by reference.
#[test]
fn methods_of_other_types_mean_what_they_meant() {
    let rows = Vec::from([1, 2]);
    assert_eq!(rows.first(), Some(&1));
    assert_eq!(AtomicUsize::new(3).load(Ordering::SeqCst), 3);
    assert_eq!((Job.execute(4), Job.get_result()), (4, 1));
    let _: Option<TenantId> = None;
}
