//! Behaviour of the library as its users see it.
#![cfg(unix)]

mod roots;
