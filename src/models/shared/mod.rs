//! Rows of the shared database.

pub mod accounts;
pub mod subscriptions;
