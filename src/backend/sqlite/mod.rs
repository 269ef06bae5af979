//! SQLite: one file per tenant below one data directory.

#[cfg(not(unix))]
compile_error!(
    "the `sqlite` feature of diesel-tenants needs Unix: it relies on flock, owners, modes and \
     renaming without replacing; build for a Unix target or turn the feature off"
);

#[cfg(unix)]
mod file_error;
#[cfg(unix)]
pub mod files;
#[cfg(unix)]
pub mod instance;
#[cfg(unix)]
pub mod lock;
#[cfg(unix)]
pub mod root;
#[cfg(unix)]
mod root_error;
