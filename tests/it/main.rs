//! Behaviour of the library as its users see it, one module for each part.

mod names;
