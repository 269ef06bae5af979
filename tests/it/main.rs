//! Behaviour, one module for each part of the crate.

mod models;
