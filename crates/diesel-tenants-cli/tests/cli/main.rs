//! The binary `tenants` as its users run it: one process for each command, its output, its exit code.
mod again;
mod asked;
mod audit;
mod copies;
mod doctor;
mod embedding;
mod ends;
mod errors;
mod fleet;
mod health;
mod hospitals;
mod lives;
mod program;
mod schemas;
mod terminal;
mod tour;
mod transfers;
