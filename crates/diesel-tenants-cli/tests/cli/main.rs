//! The binary `tenants` as its users run it: one process for each command, its output, its exit code.
mod again;
mod audit;
mod copies;
mod embedding;
mod ends;
mod errors;
mod fleet;
mod health;
mod lives;
mod program;
mod schemas;
mod terminal;
mod tour;
mod transfers;
