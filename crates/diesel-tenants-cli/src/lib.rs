//! The command line of [`diesel_tenants`]: list, create, verify, migrate, back up, restore and delete tenants.
//!
//! An application adds it to a binary of its own in a few lines, with its own tables and migrations:
//!
//! ```no_run
//! # use diesel_tenants::prelude::*;
//! # diesel::table! { users { id -> Integer, } }
//! # diesel::table! { patients { id -> Integer, } }
//! # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
//! # const SHARED: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY NOT NULL)";
//! # const TENANT: &str = "CREATE TABLE patients (id INTEGER PRIMARY KEY NOT NULL)";
//! # fn shared() -> MigrationSet { MigrationScript::new("1", "users", SHARED).into() }
//! # fn tenant() -> MigrationSet { MigrationScript::new("1", "wards", TENANT).into() }
//! fn main() -> std::process::ExitCode {
//!     diesel_tenants_cli::run(|data| {
//!         Tenancy::builder(&ROUTES).sqlite(data).shared_migrations(shared()).tenant_migrations(tenant())
//!     })
//! }
//! ```
//!
//! Or below a command of its own parser, beside others: [`Tenants`] is clap `Args`.
//!
//! ```no_run
//! # use diesel_tenants::prelude::*;
//! # diesel::table! { users { id -> Integer, } }
//! # diesel::table! { patients { id -> Integer, } }
//! # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
//! use std::process::ExitCode;
//!
//! use clap::Parser;
//!
//! #[derive(Parser)]
//! enum Clinic {
//!     /// Serve
//!     Serve,
//!     /// Look after the clinics' databases
//!     Tenants(diesel_tenants_cli::Tenants),
//! }
//!
//! fn main() -> ExitCode {
//!     match Clinic::parse() {
//!         Clinic::Serve => ExitCode::SUCCESS,
//!         Clinic::Tenants(command) => command.called("clinic tenants").run(|data| Tenancy::builder(&ROUTES).sqlite(data)),
//!     }
//! }
//! ```
//!
//! # What every command keeps to
//!
//! - **stdout holds the result only**, tables for people or, with `--json`, one document for programs, whose `schema`
//!   field names its JSON Schema in the crate's `schemas/`. Progress and messages go to stderr, progress bars and colours
//!   to terminals only (`NO_COLOR` and `--color` are honoured).
//! - **The exit code says how it went**: see [`Exit`].
//! - **A destructive command acts on one tenant**, never on all, and wants its id typed: `--yes-i-mean TH001`, or at the
//!   prompt on a terminal.
//! - **Errors** say what was given, which rule it broke, what caused it and what to do next. They hold no row data.
//!
//! `docs/operations.md` in the repository is a tour.
//!
//! # Features
//!
//! `hospital` (default) builds the binary `tenants` on the hospital data model of `diesel-tenants`. An application that
//! embeds the commands turns it off.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser};
use diesel::SqliteConnection;
use diesel_tenants::verify::SharedRefColumn;
use diesel_tenants::{Builder, Sqlite};

mod again;
mod app;
mod clock;
mod commands;
mod exit;
mod failure;
#[cfg(feature = "hospital")]
mod hospital;
mod meaning;
mod options;
mod output;
mod progress;
#[cfg(test)]
mod schemas;
mod show;
mod table;
mod tenant;
mod value;
mod verbs;
mod words;

pub use commands::Commands;
pub use exit::Exit;
#[cfg(feature = "hospital")]
pub use hospital::run_hospitals;
pub use options::{Color, Options};

use app::App;
use failure::{Failure, Kind};
use output::Output;

/// What an application tells these commands about itself: its library, set up for a data directory and not yet opened.
///
/// Made of the builder alone: `Setup::from(builder)`, or `into()`, which [`run`] and [`Tenants::run`] do by themselves.
#[must_use]
pub struct Setup {
    builder: Builder<SqliteConnection, Sqlite>,
    shared_refs: &'static [SharedRefColumn],
    /// What `doctor` looks at besides, which the library knows nothing of.
    examine: Option<verbs::doctor::Examine>,
}

impl Setup {
    /// The columns of tenants' tables that name shared rows, for `verify`. Default: none is followed.
    pub fn shared_refs(mut self, columns: &'static [SharedRefColumn]) -> Self {
        self.shared_refs = columns;
        self
    }
}

impl From<Builder<SqliteConnection, Sqlite>> for Setup {
    fn from(builder: Builder<SqliteConnection, Sqlite>) -> Self {
        Self {
            builder,
            shared_refs: &[],
            examine: None,
        }
    }
}

/// The commands with their options, to be put below a command of an application's own parser.
#[derive(Args, Debug)]
pub struct Tenants {
    /// Options every command has. An application may fill in its own data directory where none was given.
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    command: Commands,
    #[arg(skip)]
    called: Option<String>,
}

impl Tenants {
    /// How these commands are called on the command line, for the commands in messages: `clinic tenants`. Default:
    /// the name of the program.
    #[must_use]
    pub fn called(mut self, program: impl Into<String>) -> Self {
        self.called = Some(program.into());
        self
    }

    /// Runs the command. Blocks until it is done; prints its result or its error.
    ///
    /// `configure` sets the library up for a data directory. Whether the directory may be made is up to the commands.
    pub fn run<S: Into<Setup>>(self, configure: impl Fn(&Path) -> S) -> ExitCode {
        let program = self.called.unwrap_or_else(program);
        let app = App {
            options: &self.options,
            output: Output::new(&self.options),
            program: &program,
            parser: Cli::command,
            configure: &|data: &Path| configure(data).into(),
        };
        app.ended(self.command.run(&app))
    }
}

const ABOUT: &str =
    "Look after the databases of tenants: create, verify, migrate, back up, restore, delete";

#[derive(Parser)]
#[command(
    version,
    about = ABOUT,
    after_help = exit::HELP,
    max_term_width = 100
)]
struct Cli {
    #[command(flatten)]
    tenants: Tenants,
}

/// Runs the command line of this process as a program of its own: the binary `tenants` for the application that
/// `configure` sets up.
pub fn run<S: Into<Setup>>(configure: impl Fn(&Path) -> S) -> ExitCode {
    match parsed::<Cli>() {
        Ok(cli) => cli.tenants.run(configure),
        Err(ended) => ended,
    }
}

/// The command line of this process; how it ended where it cannot be read, or asked for help.
fn parsed<P: CommandFactory + FromArgMatches>() -> Result<P, ExitCode> {
    let program = program();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let command = P::command().display_name(program.clone()).bin_name(program);
    let parsed = command
        .try_get_matches_from(&arguments)
        .and_then(|matches| P::from_arg_matches(&matches));
    parsed.map_err(|error| {
        let json = arguments.iter().any(|argument| argument == "--json");
        refuse(&error, json)
    })
}

/// Help and version as clap prints them; a wrong command line as a failure.
fn refuse(error: &clap::Error, json: bool) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Whoever closed the pipe does not want to know.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        _ if json => {}
        // Clap quotes what was typed as it is; what a terminal would obey is left to the plain form below.
        _ if !error.to_string().contains(is_unprintable) => {
            let _ = error.print();
            return Exit::Usage.into();
        }
        _ => {}
    }
    let text = error.to_string();
    let mut lines = text.lines().map(printable).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let message = first.strip_prefix("error: ").unwrap_or(&first);
    let failure = Failure::new(Kind::Usage, message).hint("`--help` says what there is");
    Output::before_options(json).fail(&failure).into()
}

fn is_unprintable(c: char) -> bool {
    c.is_control() && c != '\n'
}

fn printable(line: &str) -> String {
    line.trim()
        .chars()
        .flat_map(|c| match is_unprintable(c) {
            true => c.escape_debug().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}

/// The name this program was started by.
fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    let name = Path::new(&path).file_name().unwrap_or_default();
    match name.to_str() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => "tenants".to_owned(),
    }
}
