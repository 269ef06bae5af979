//! Behaviour of the library as its users see it.
#![cfg(unix)]

mod audited_files;
mod child;

mod files;
mod instances;

mod migrate;
mod names;
mod roots;

