//! Options every command has.
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use diesel_tenants::access::{ActorId, Reason};

use crate::value::text;

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

    /// In whose name it is done, for the audit log: an opaque id such as `user:41`, no person's name
    /// [default: `uid:` and the number of the user who runs this]
    #[arg(long = "as", global = true, env = "TENANTS_AS", value_name = "NAME", value_parser = text::<ActorId>())]
    pub acting_as: Option<ActorId>,

    /// Why it is done, for the audit log: 8 to 500 characters
    #[arg(long, global = true, value_name = "WHY", value_parser = text::<Reason>())]
    pub because: Option<Reason>,
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
