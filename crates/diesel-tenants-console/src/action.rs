//! What can be done to a tenant, and doing it.
use std::time::Duration;

use diesel_tenants::services::onboarding::{self, OnboardingError};
use diesel_tenants::verify::VerifyOptions;
use diesel_tenants::{
    BackupOptions, BackupRef, BackupsOnPurge, DisplayName, NewTenant, PurgeOptions, Rename,
    RestoreOptions, Retention, Subdomain, Tenancy, TenantId,
};
use uuid::Uuid;

use crate::failure::Failure;
use crate::given::Fields;
use crate::repair;
use crate::view;

/// What can be done to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Create,
    Verify,
    Repair,
    Migrate,
    BackUp,
    Restore,
    Undo,
    Suspend,
    Resume,
    Archive,
    Unarchive,
    Delete,
    Undelete,
    Recreate,
    Hold,
    Release,
    Rename,
    Quota,
    Compact,
    Discard,
    Purge,
}

impl Action {
    const ALL: [Self; 21] = [
        Self::Create,
        Self::Verify,
        Self::Repair,
        Self::Migrate,
        Self::BackUp,
        Self::Restore,
        Self::Undo,
        Self::Suspend,
        Self::Resume,
        Self::Archive,
        Self::Unarchive,
        Self::Delete,
        Self::Undelete,
        Self::Recreate,
        Self::Hold,
        Self::Release,
        Self::Rename,
        Self::Quota,
        Self::Compact,
        Self::Discard,
        Self::Purge,
    ];

    /// The word in addresses.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Verify => "verify",
            Self::Repair => "repair",
            Self::Migrate => "migrate",
            Self::BackUp => "back-up",
            Self::Restore => "restore",
            Self::Undo => "undo",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Archive => "archive",
            Self::Unarchive => "unarchive",
            Self::Delete => "delete",
            Self::Undelete => "undelete",
            Self::Recreate => "recreate",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Rename => "rename",
            Self::Quota => "quota",
            Self::Compact => "compact",
            Self::Discard => "discard",
            Self::Purge => "purge",
        }
    }

    /// The words on a button.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Verify => "Verify",
            Self::Repair => "Repair",
            Self::Migrate => "Migrate",
            Self::BackUp => "Back up",
            Self::Restore => "Restore",
            Self::Undo => "Undo",
            Self::Suspend => "Suspend",
            Self::Resume => "Resume",
            Self::Archive => "Archive",
            Self::Unarchive => "Take out of the archive",
            Self::Delete => "Delete",
            Self::Undelete => "Take the deletion back",
            Self::Recreate => "Recreate",
            Self::Hold => "Put on hold",
            Self::Release => "Release the hold",
            Self::Rename => "Rename",
            Self::Quota => "Set the quota",
            Self::Compact => "Compact",
            Self::Discard => "Discard old databases",
            Self::Purge => "Purge",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == word)
    }

    /// Whether it may be done to many tenants at once.
    pub(crate) fn is_for_many(self) -> bool {
        matches!(self, Self::Verify | Self::BackUp | Self::Migrate)
    }
}

/// What became of an action.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Whether all is well now.
    pub(crate) good: bool,
    /// In a line.
    pub(crate) summary: String,
    /// What else there is to say.
    pub(crate) lines: Vec<String>,
}

impl Outcome {
    pub(crate) fn done(summary: impl Into<String>) -> Self {
        let summary = summary.into();
        let (good, lines) = (true, Vec::new());
        Self {
            good,
            summary,
            lines,
        }
    }

    pub(crate) fn failed(failure: Failure) -> Self {
        let summary = match failure {
            Failure::Said(text) | Failure::BadValue(text) | Failure::NotNow(text) => text,
            Failure::BadForm(text) => text.to_owned(),
            Failure::Panicked(incident) => {
                format!("the program failed; its log says where, under {incident}")
            }
            _ => "this cannot be done".to_owned(),
        };
        let (good, lines) = (false, Vec::new());
        Self {
            good,
            summary,
            lines,
        }
    }

    pub(crate) fn and(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }
}

/// Does it. Blocks for as long as it takes.
pub(crate) fn perform(
    tenancy: &Tenancy,
    id: &TenantId,
    action: Action,
    fields: &Fields,
) -> Result<Outcome, Failure> {
    let typed = fields.get("typed");
    Ok(match action {
        Action::Create => create(tenancy, id, fields)?,
        Action::Verify => {
            let found = tenancy.verify(id, &VerifyOptions::default())?;
            Outcome {
                good: found.is_ready(),
                summary: format!("The database is {}.", view::health_word(found.status)),
                lines: found.reasons.iter().map(ToString::to_string).collect(),
            }
        }
        Action::Repair => repair::perform(tenancy, id, fields)?,
        Action::Migrate => {
            let applied = tenancy.migrate_tenant(id)?;
            let lines = applied.iter().map(|one| format!("applied {}", one.version));
            Outcome {
                good: true,
                summary: match applied.len() {
                    0 => "There was nothing to migrate.".to_owned(),
                    1 => "One migration was applied.".to_owned(),
                    many => format!("{many} migrations were applied."),
                },
                lines: lines.collect(),
            }
        }
        Action::BackUp => {
            let taken = tenancy.backup(id, &BackupOptions::new())?;
            Outcome::done(format!("Backed up, {}.", view::bytes(taken.bytes)))
                .and(format!("backup {}", taken.id))
        }
        Action::Restore => {
            let backup: Uuid = fields
                .get("backup")
                .parse()
                .map_err(|_| Failure::BadForm("Choose the backup that is to be restored."))?;
            let options = RestoreOptions::confirmed(typed);
            let restored = tenancy.restore(id, &BackupRef::id(backup), &options)?;
            let done = Outcome::done(format!(
                "Restored; generation {} is in use now.",
                restored.generation
            ));
            let done = match restored.safety {
                Some(safety) => done.and(format!("what it replaced is in backup {}", safety.id)),
                None => done,
            };
            match restored.kept {
                Some(kept) => done.and(format!("generation {kept} is kept for an undo")),
                None => done,
            }
        }
        Action::Undo => {
            let undone = tenancy.undo(id, typed)?;
            Outcome::done(format!(
                "Undone; generation {} is in use now, a copy of generation {}.",
                undone.generation, undone.copy_of
            ))
        }
        Action::Suspend => {
            tenancy.suspend(id)?;
            Outcome::done("Suspended: nobody can use it until it is resumed.")
        }
        Action::Resume => {
            tenancy.resume(id)?;
            Outcome::done("Resumed: it is in use again.")
        }
        Action::Archive => {
            tenancy.archive(id)?;
            Outcome::done("Archived: out of use, its data is kept.")
        }
        Action::Unarchive => {
            tenancy.unarchive(id)?;
            Outcome::done("Taken out of the archive; it is suspended now.")
        }
        Action::Delete => {
            let date = tenancy.delete(id, typed, Retention::days(days(fields)?))?;
            Outcome::done(format!(
                "Deleted. Its data is kept until {}, and can be had back until it is purged.",
                view::moment(date)
            ))
        }
        Action::Undelete => {
            tenancy.undelete(id)?;
            Outcome::done("The deletion was taken back; it is archived and kept.")
        }
        Action::Recreate => {
            let made = tenancy.recreate(id, typed)?;
            let done = Outcome::done(format!(
                "Recreated: generation {} is in use now, and empty.",
                made.generation
            ));
            let done = match made.backup {
                Some(backup) => done.and(format!("what was there is in backup {}", backup.id)),
                None => done,
            };
            match made.kept {
                Some(kept) => done.and(format!("generation {kept} is kept for an undo")),
                None => done,
            }
        }
        Action::Hold => {
            tenancy.hold(id, fields.get("reason"))?;
            Outcome::done("On hold: nothing of its data is removed until the hold is released.")
        }
        Action::Release => {
            tenancy.release_hold(id)?;
            Outcome::done("The hold was released.")
        }
        Action::Rename => {
            let to = Rename::new().display_name(fields.get("name"));
            let to = match fields.get("subdomain") {
                "" => to.no_subdomain(),
                subdomain => to.subdomain(subdomain),
            };
            tenancy.rename(id, to)?;
            Outcome::done("Renamed. Its id stays what it was.")
        }
        Action::Quota => {
            let bytes = match quota(fields)? {
                Some(bytes) => {
                    tenancy.set_quota(id, Some(bytes))?;
                    Some(bytes)
                }
                None => match onboarding::clear_quota(tenancy, id) {
                    Err(OnboardingError::UnknownHospital { .. }) => {
                        tenancy.set_quota(id, None)?;
                        None
                    }
                    cleared => cleared?,
                },
            };
            Outcome::done(match bytes {
                Some(bytes) => format!("The quota is {}.", view::bytes(bytes)),
                None => "It has no quota.".to_owned(),
            })
        }
        Action::Compact => {
            let done = tenancy.compact(id)?;
            Outcome::done(format!(
                "Compacted from {} to {}; generation {} is in use now.",
                view::bytes(done.before),
                view::bytes(done.after),
                done.generation
            ))
        }
        Action::Discard => {
            let age = Duration::from_secs(u64::from(days(fields)?) * 24 * 60 * 60);
            confirmed(tenancy, id, typed)?;
            if fields.is_ticked("clock-checked") {
                tenancy.i_checked_the_clock()?;
            }
            let done = tenancy.discard_old_generations(id, age)?;
            let numbers = |of: &[u64]| {
                let of: Vec<String> = of.iter().map(u64::to_string).collect();
                of.join(", ")
            };
            let gone = match done.generations.as_slice() {
                [] => "None is that old; all are kept.".to_owned(),
                gone => format!("Removed for ever: generation {}.", numbers(gone)),
            };
            match done.held_by_clock.as_slice() {
                [] => Outcome::done(gone),
                held => {
                    let kept = Outcome::done(format!(
                        "{gone} Kept, because the clock has jumped ahead: generation {}. Check the clock, say so and discard again.",
                        numbers(held)
                    ));
                    Outcome {
                        good: false,
                        ..kept
                    }
                }
            }
        }
        Action::Purge => {
            let mut options = PurgeOptions::default();
            if fields.is_ticked("with-backups") {
                options = options.backups(BackupsOnPurge::Remove);
            }
            if fields.is_ticked("clock-checked") {
                options = options.i_checked_the_clock();
            }
            let certificate = tenancy.purge_with(id, typed, &options)?;
            let backups = match certificate.backups {
                BackupsOnPurge::Remove if certificate.backups_left.is_empty() => {
                    format!("{} backups were removed", certificate.backups_removed)
                }
                BackupsOnPurge::Remove => format!(
                    "{} backups were removed, and {} were NOT, because their directory is out of reach: mount its disk, then \
                     remove them",
                    certificate.backups_removed,
                    certificate.backups_left.len()
                ),
                _ => "its backups are kept".to_owned(),
            };
            Outcome::done(format!(
                "Purged: {} in {} databases were removed for ever.",
                view::bytes(certificate.bytes),
                certificate.generations.len()
            ))
            .and(backups)
            .and(format!("certificate {}", certificate.uuid))
        }
    })
}

/// The longest time a deleted tenant is kept, in days: a hundred years.
const LONGEST_RETENTION: u32 = 36_500;

fn days(fields: &Fields) -> Result<u32, Failure> {
    let days = fields.get("days").parse().ok();
    let days = days.filter(|days| *days <= LONGEST_RETENTION);
    days.ok_or(Failure::BadForm(
        "Say for how many days the data is kept: 0 to 36500.",
    ))
}

/// In MiB; empty is what the plan says.
fn quota(fields: &Fields) -> Result<Option<u64>, Failure> {
    let asked = fields.get("mebibytes");
    if asked.is_empty() {
        return Ok(None);
    }
    let mebibytes: Option<u64> = asked.parse().ok();
    let bytes = mebibytes.and_then(|mebibytes| mebibytes.checked_mul(1024 * 1024));
    bytes.map(Some).ok_or(Failure::BadForm(
        "The quota is a whole number of MiB, or empty for what the plan says.",
    ))
}

/// For what the library asks no confirmation of: the id as the tenant was created.
fn confirmed(tenancy: &Tenancy, id: &TenantId, typed: &str) -> Result<(), Failure> {
    let record = tenancy.handle(id)?.record()?;
    match typed == record.id.as_str() {
        true => Ok(()),
        false => Err(Failure::BadForm(
            "The tenant's id was not typed as it is; nothing was done.",
        )),
    }
}

/// Refuses names that are none before anything is begun.
pub(crate) fn check(action: Action, fields: &Fields) -> Result<(), Failure> {
    if matches!(action, Action::Create | Action::Rename) {
        let name = fields.get("name").parse::<DisplayName>();
        name.map_err(Failure::bad_value)?;
        let subdomain = fields.get("subdomain");
        if !subdomain.is_empty() {
            let subdomain = subdomain.parse::<Subdomain>();
            subdomain.map_err(Failure::bad_value)?;
        }
    }
    Ok(())
}

fn create(tenancy: &Tenancy, id: &TenantId, fields: &Fields) -> Result<Outcome, Failure> {
    let mut new = NewTenant::named(fields.get("name"));
    if !fields.get("subdomain").is_empty() {
        new = new.subdomain(fields.get("subdomain"));
    }
    tenancy.create(id, new)?;
    // Looked at once, so that the list says how it is.
    let found = tenancy.verify(id, &VerifyOptions::default())?;
    Ok(Outcome {
        good: found.is_ready(),
        summary: format!(
            "Created; the database is {}.",
            view::health_word(found.status)
        ),
        lines: found.reasons.iter().map(ToString::to_string).collect(),
    })
}

/// How long somebody who started an action is kept waiting for its end before they are shown that it goes on.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_an_address_of_its_own() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Some(action));
        }
        assert_eq!(Action::parse("destroy"), None);
    }

    #[test]
    fn only_what_takes_nothing_away_is_for_many() {
        let many = Action::ALL.into_iter().filter(|it| it.is_for_many());
        let many: Vec<&str> = many.map(Action::as_str).collect();
        assert_eq!(many, ["verify", "migrate", "back-up"]);
    }
}
