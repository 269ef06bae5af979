//! A database for every tenant, a shared one for the rest, and a compiler that keeps queries where they belong.
#![forbid(unsafe_code)]

pub mod id;
#[cfg(feature = "hospital")]
pub mod models;
pub mod money;
