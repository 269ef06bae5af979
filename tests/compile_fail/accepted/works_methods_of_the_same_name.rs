use diesel_tenants::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

pub fn case(names: Vec<String>, done: AtomicBool) -> Option<String> {
    let first = names.first().cloned();
    let loaded = done.load(Ordering::Relaxed);
    names
        .iter()
        .find(|name| loaded || Some(*name) == first.as_ref())
        .cloned()
}
