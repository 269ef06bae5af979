//! One file for each command.
pub mod compact;
pub mod completions;
pub mod create;
pub mod create_test;
pub mod delete;
pub mod doctor;
pub mod init;
pub mod list;
pub mod migrations;
pub mod path;
pub mod routes;
pub mod show;
pub mod stats;
pub mod status;
