//! Behaviour of the library as its users see it.
#![cfg(unix)]
#![allow(
    clippy::duplicate_mod,
    reason = "the rows of the hospital model are mounted on connections and on contexts"
)]

mod access;
mod actors;
mod adopt;
mod app;
mod audit;
mod audited_files;
mod backup;
#[cfg(all(feature = "metrics", feature = "query-stats", feature = "tracing"))]
mod canary;
mod child;
mod clocks;
mod contexts;
mod crashes;
mod damage;
mod documents;
mod dump;
mod export;
mod fanout;
mod faults;
mod files;
mod final_backup;
mod fleet;
mod generations;
mod hospital;
mod instances;
mod inventory;
mod leftovers;
mod lifecycle;
mod migrate;
mod models;
mod names;
#[cfg(all(feature = "metrics", feature = "query-stats", feature = "tracing"))]
mod observe;
mod power;
mod prelude;
mod purge;
mod quota;
mod recreate;
mod reference;
mod rename;
mod repair;
mod reserve;
mod restore;
mod retention;
mod roots;
mod schemas;
mod scratch;
mod services;
mod soak;
#[cfg(feature = "testing")]
mod testing;
mod verify;
mod withheld;
mod workflow;
mod world;
