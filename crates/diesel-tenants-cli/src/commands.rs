//! The commands: what each is called, and where it is.
use clap::Subcommand;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::verbs::{
    compact, completions, create, create_test, delete, doctor, init, list, migrations, path,
    routes, show, stats, status,
};

/// What can be done. Each has a `--help` of its own.
#[derive(Subcommand, Debug)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each is documented where clap takes its help from"
)]
pub enum Commands {
    Init(init::Init),
    List(list::List),
    Show(show::Show),
    Path(path::PathOf),
    Routes(routes::Routes),
    Create(create::Create),
    CreateTest(create_test::CreateTest),
    Migrations(migrations::Migrations),
    Suspend(status::Suspend),
    Resume(status::Resume),
    Archive(status::Archive),
    Unarchive(status::Unarchive),
    Delete(delete::Delete),
    Compact(compact::Compact),
    Stats(stats::Stats),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
}

impl Commands {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        match self {
            Self::Init(verb) => verb.run(app),
            Self::List(verb) => verb.run(app),
            Self::Show(verb) => verb.run(app),
            Self::Path(verb) => verb.run(app),
            Self::Routes(verb) => verb.run(app),
            Self::Create(verb) => verb.run(app),
            Self::CreateTest(verb) => verb.run(app),
            Self::Migrations(verb) => verb.run(app),
            Self::Suspend(verb) => verb.run(app),
            Self::Resume(verb) => verb.run(app),
            Self::Archive(verb) => verb.run(app),
            Self::Unarchive(verb) => verb.run(app),
            Self::Delete(verb) => verb.run(app),
            Self::Compact(verb) => verb.run(app),
            Self::Stats(verb) => verb.run(app),
            Self::Doctor(verb) => verb.run(app),
            Self::Completions(verb) => verb.run(app),
        }
    }
}
