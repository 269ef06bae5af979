//! `restore-shared`
use std::fmt;
use std::path::PathBuf;

use clap::Args;
use diesel_tenants::backend::TenantKey;
use serde::Serialize;

use crate::app::App;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Document;
use crate::show;
use crate::table::Fields;
use crate::verbs::restore::explain;

/// Put a backup in the place of the shared database, while no service runs
///
/// What is there is set aside, never overwritten. Then the catalogue is brought in line with the disk: tenants whose database
/// moved on since are found again, and what it cannot know is reported. Wants `--yes-i-mean shared`.
#[derive(Args, Debug)]
pub struct RestoreShared {
    /// The directory of a backup of the shared database
    backup: PathBuf,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Restored {
    backup: String,
    /// Where the database is that was there before.
    aside: Option<String>,
    /// Tenants whose newest generation is newer than the backup knew.
    moved: Vec<String>,
    /// Tenants that have no database on this disk: restore each from its own backup.
    missing: Vec<String>,
    /// Databases on this disk that could not be read, and why.
    unreadable: Vec<String>,
    /// Backups in the data directory that could not be read, and why. They stay what they are.
    damaged_backups: Vec<String>,
    /// Tenants that were deleted, and whose date was taken back: holds laid since the backup are not in it.
    undated: Vec<String>,
    /// Tenants that are under a legal hold again, which was laid after the backup was taken.
    held: Vec<String>,
    /// Databases of tenants the backup does not know: created after it was taken.
    orphans: Vec<Orphan>,
    next: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Orphan {
    id: String,
    uuid: String,
}

impl RestoreShared {
    pub(crate) fn run(&self, app: &App<'_>) -> Result<Exit, Failure> {
        app.confirm_word(
            "shared",
            "replaces the shared database, users and catalogue included",
        )?;
        let done = app
            .builder()?
            .restore_shared(&self.backup)
            .map_err(explain)?;
        let reclaim = done.orphans.iter().map(|orphan| {
            app.command(&format!("reclaim {} --name \"{}\"", orphan.uuid, orphan.id))
        });
        let next = std::iter::once(app.command("doctor"))
            .chain(reclaim)
            .collect();
        let ids = |tenants: &[TenantKey]| tenants.iter().map(|it| it.id.to_string()).collect();
        app.emit(&Restored {
            backup: done.backup.to_string(),
            aside: done.aside.as_deref().map(show::path),
            moved: done
                .moved
                .iter()
                .map(|(tenant, ..)| tenant.id.to_string())
                .collect(),
            missing: ids(&done.missing),
            unreadable: done
                .unreadable
                .iter()
                .map(|one| format!("{}: {}", one.file, one.reason))
                .collect(),
            damaged_backups: done
                .damaged_backups
                .iter()
                .map(ToString::to_string)
                .collect(),
            undated: ids(&done.undated),
            held: ids(&done.held),
            orphans: done
                .orphans
                .iter()
                .map(|orphan| Orphan {
                    id: orphan.id.to_string(),
                    uuid: orphan.uuid.to_string(),
                })
                .collect(),
            next,
        })
    }
}

impl Document for Restored {
    const SCHEMA: &'static str = "restore-shared/1";

    fn write(&self, f: &mut dyn fmt::Write) -> fmt::Result {
        writeln!(
            f,
            "restored the shared database from backup {}",
            self.backup
        )?;
        let list = |ids: &[String]| Some(ids.join(", ")).filter(|ids| !ids.is_empty());
        let orphans: Vec<String> = self
            .orphans
            .iter()
            .map(|orphan| orphan.id.clone())
            .collect();
        let fields = Fields::new()
            .with_some("set aside", self.aside.as_ref())
            .with_some("moved on since", list(&self.moved))
            .with_some("missing", list(&self.missing))
            .with_some("unreadable", list(&self.unreadable))
            .with_some("damaged backups", list(&self.damaged_backups))
            .with_some("no longer deleted", list(&self.undated))
            .with_some("on hold again", list(&self.held))
            .with_some("not known to it", list(&orphans));
        write!(f, "{fields}")?;
        show::next(f, &self.next)
    }

    fn exit(&self) -> Exit {
        let lists = [
            &self.missing,
            &self.unreadable,
            &self.damaged_backups,
            &self.undated,
        ];
        match lists.iter().all(|list| list.is_empty()) && self.orphans.is_empty() {
            true => Exit::Done,
            false => Exit::Findings,
        }
    }
}
