//! Behaviour of the library as its users see it.
#![cfg(unix)]

mod actors;
mod app;
mod audited_files;
mod child;
mod contexts;
mod crashes;
mod damage;
mod faults;
mod files;
mod instances;
mod lifecycle;
mod migrate;
mod names;
mod prelude;
mod roots;
mod schemas;
mod world;
