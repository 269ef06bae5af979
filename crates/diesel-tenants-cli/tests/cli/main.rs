//! The binary `tenants` as its users run it: one process for each command, its output, its exit code.
mod embedding;
mod errors;
mod fleet;
mod lives;
mod program;
mod schemas;
mod terminal;
