//! Behaviour of the library as its users see it.
#![cfg(unix)]

mod child;
mod files;
mod instances;
mod roots;
