//! Behaviour, one module for each.
mod child;
mod migrate;
