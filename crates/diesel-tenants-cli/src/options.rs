//! Options every command has.
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Options every command has.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
#[non_exhaustive]
pub struct Options {
    /// The data directory: the shared database, and below `tenants/` the others
    #[arg(long, global = true, env = "TENANTS_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,

    /// Print one JSON document for programs; their schemas are in the crate's `schemas/`
    #[arg(long, global = true)]
    pub json: bool,

    /// When to use colours; `auto` is on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,

    /// Print the result and errors only
    #[arg(long, short, global = true)]
    pub quiet: bool,

    /// Confirm a destructive command: the tenant's id, exactly as it was created
    #[arg(long, global = true, value_name = "ID")]
    pub yes_i_mean: Option<String>,
}

/// When to use colours.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Into files and pipes too.
    Always,
    /// Not at all.
    Never,
}
