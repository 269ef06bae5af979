//! The commands: what each is called, and where it is.
use clap::Subcommand;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::verbs::*;

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
    Stats(stats::Stats),
    Doctor(doctor::Doctor),
    Abandon(abandon::Abandon),
    Audit(audit::Audit),
    Create(create::Create),
    CreateTest(create_test::CreateTest),
    Rename(rename::Rename),
    Quota(quota::Quota),
    Verify(verify::Verify),
    Repair(repair::Repair),
    Migrate(migrate::Migrate),
    Migrations(migrations::Migrations),
    Runs(runs::Runs),
    Reference(reference::Reference),
    Backup(backup::Backup),
    Backups(backups::Backups),
    Drill(drill::Drill),
    Prune(prune::Prune),
    Restore(restore::Restore),
    Undo(undo::Undo),
    Generations(generations::Generations),
    Clone(clone::Clone),
    RestoreShared(restore_shared::RestoreShared),
    Reclaim(reclaim::Reclaim),
    Inspect(adopt::Inspect),
    Adopt(adopt::Adopt),
    Export(export::Export),
    Import(import::Import),
    Suspend(status::Suspend),
    Resume(status::Resume),
    Archive(status::Archive),
    Unarchive(status::Unarchive),
    Delete(delete::Delete),
    Undelete(delete::Undelete),
    Hold(hold::Hold),
    Release(hold::Release),
    Due(purge::Due),
    Purge(purge::Purge),
    Recreate(recreate::Recreate),
    Compact(compact::Compact),
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
            Self::Stats(verb) => verb.run(app),
            Self::Doctor(verb) => verb.run(app),
            Self::Abandon(verb) => verb.run(app),
            Self::Audit(verb) => verb.run(app),
            Self::Create(verb) => verb.run(app),
            Self::CreateTest(verb) => verb.run(app),
            Self::Rename(verb) => verb.run(app),
            Self::Quota(verb) => verb.run(app),
            Self::Verify(verb) => verb.run(app),
            Self::Repair(verb) => verb.run(app),
            Self::Migrate(verb) => verb.run(app),
            Self::Migrations(verb) => verb.run(app),
            Self::Runs(verb) => verb.run(app),
            Self::Reference(verb) => verb.run(app),
            Self::Backup(verb) => verb.run(app),
            Self::Backups(verb) => verb.run(app),
            Self::Drill(verb) => verb.run(app),
            Self::Prune(verb) => verb.run(app),
            Self::Restore(verb) => verb.run(app),
            Self::Undo(verb) => verb.run(app),
            Self::Generations(verb) => verb.run(app),
            Self::Clone(verb) => verb.run(app),
            Self::RestoreShared(verb) => verb.run(app),
            Self::Reclaim(verb) => verb.run(app),
            Self::Inspect(verb) => verb.run(app),
            Self::Adopt(verb) => verb.run(app),
            Self::Export(verb) => verb.run(app),
            Self::Import(verb) => verb.run(app),
            Self::Suspend(verb) => verb.run(app),
            Self::Resume(verb) => verb.run(app),
            Self::Archive(verb) => verb.run(app),
            Self::Unarchive(verb) => verb.run(app),
            Self::Delete(verb) => verb.run(app),
            Self::Undelete(verb) => verb.run(app),
            Self::Hold(verb) => verb.run(app),
            Self::Release(verb) => verb.run(app),
            Self::Due(verb) => verb.run(app),
            Self::Purge(verb) => verb.run(app),
            Self::Recreate(verb) => verb.run(app),
            Self::Compact(verb) => verb.run(app),
            Self::Completions(verb) => verb.run(app),
        }
    }
}
