//! The step that creates the tenant.
use uuid::Uuid;

use super::{Boxed, Cause, DOUBTFUL, Flow, Halt, UNREADABLE};
use crate::backend::{Backend, BackupStorage};
use crate::catalog::workflows::{Phase, StepRow};
use crate::catalog::{Status, TenantRecord};
use crate::error::OpenError;
use crate::failpoint::hit;
use crate::provision::{self, NewTenant};
use crate::workflow::Workflow;
use crate::workflow::alone::enter;
use crate::workflow::undo::UndoOf;

/// Where the tenant is that a run was creating when the shared database was backed up that was restored since.
enum Standing {
    Known(Uuid),
    /// On the disk, or under another uuid in the catalogue.
    Stranger,
    Nowhere,
}

const STRANGER: &str = "the shared database was restored, and does not know the tenant that this run has created: take it \
                        back (`reclaim_orphan`), then try it again";

impl<'a, C: Backend, W: Workflow<C>> Flow<'a, C, W> {
    /// Creates the tenant the run is about, as [`Tenancy::create`](crate::Tenancy::create) does. Undone by deleting it,
    /// with everything in it: as if it had never been, so that its id can be taken again. A tenant that was there
    /// before is an error, and left alone.
    ///
    /// It is open to everybody from this step on. Let the application's own rows in the shared database say that it is
    /// not ready yet, until the run is over.
    ///
    /// # Errors
    /// The run cannot go on. Pass it on by `?`.
    pub fn create_tenant(
        &mut self,
        step: &'static str,
        new: NewTenant,
    ) -> Result<(), Halt<W::Error>> {
        let (number, commits) = self.next_step(step)?;
        let found = self.found_in_journal(number, step)?;
        let intended = match &found {
            Some(row) => match row.result.as_deref().and_then(|uuid| uuid.parse().ok()) {
                Some(uuid) => Some(uuid),
                None => return Err(self.halt(step, Cause::Hopeless(UNREADABLE))),
            },
            None => None,
        };
        if let Some(uuid) = intended {
            self.run.tenant_uuid = Some(uuid);
            self.remember(number, step, UndoOf::Created(uuid));
        }
        match found.map(|row| row.phase) {
            Some(Phase::Done) => {
                self.committed |= commits;
                self.within = None;
                return Ok(());
            }
            Some(Phase::Undone) => {
                self.undos.pop();
                return Err(self.halt(step, Cause::NotDone));
            }
            _ => {}
        }
        if self.restored {
            match self.standing(intended) {
                // It was created. Who was let in since has been told of it, whatever the journal has of that.
                Ok(Standing::Known(uuid)) => return self.created(number, step, uuid, commits),
                Ok(Standing::Stranger) => return Err(self.halt(step, Cause::Hopeless(STRANGER))),
                Ok(Standing::Nowhere) => {}
                Err(error) => return Err(self.halt(step, Cause::Undecided(error))),
            }
        }
        self.may_be_done(step)?;
        if self.is_doubtful() {
            return Err(self.halt(step, Cause::Hopeless(DOUBTFUL)));
        }
        // One that was created, and not noted: a crash in between, past the commit.
        if let Some(uuid) = intended {
            let found = self.registry.ask(|conn| conn.catalog_tenant(uuid));
            match found {
                Ok(Some(TenantRecord {
                    status: Status::Active | Status::Suspended | Status::Archived,
                    ..
                })) => return self.created(number, step, uuid, commits),
                Ok(_) => drop(self.undos.pop()),
                Err(error) => return Err(self.halt(step, Cause::Undecided(error.into()))),
            }
        }
        let uuid = Uuid::now_v7();
        let intent = StepRow {
            number,
            step: step.to_owned(),
            phase: Phase::Begun,
            result: Some(uuid.to_string()),
        };
        let (begun, run, others) = (self.begun, self.run.clone(), self.others());
        let entered = self.write(move |conn| {
            if !begun && !enter(conn, &run, &others)? {
                return Ok(false);
            }
            conn.journal_put(run.id, &intent)?;
            conn.run_set_tenant(run.id, uuid).map(|()| true)
        });
        match entered {
            Ok(true) => self.begun = true,
            Ok(false) => return Err(self.halt(step, Cause::Taken)),
            Err(error) => return Err(self.halt(step, Cause::Undecided(error))),
        }
        self.run.tenant_uuid = Some(uuid);
        self.remember(number, step, UndoOf::Created(uuid));
        hit("workflow.creating");
        let new = new.with_uuid(uuid);
        match provision::create(self.registry, self.run.tenant_id, new) {
            Ok(_) => {}
            Err(error) => return Err(self.halt(step, Cause::Create(Box::new(error)))),
        }
        self.created(number, step, uuid, commits)
    }

    /// What a shared database that was restored and the disk know of the tenant this step creates, or may have created when
    /// the journal did not know of it yet.
    fn standing(&self, intended: Option<Uuid>) -> Result<Standing, Boxed> {
        let registry = self.registry;
        let known = match intended {
            Some(uuid) => registry.ask(|conn| conn.catalog_tenant(uuid))?,
            None => match registry.tenant(&self.run.tenant_id) {
                Ok(_) => return Ok(Standing::Stranger),
                Err(OpenError::UnknownTenant { .. }) => None,
                Err(error) => return Err(error.into()),
            },
        };
        if let Some(known) = known {
            return match known.status {
                Status::Deleting | Status::Deleted | Status::Reserved => Ok(Standing::Nowhere),
                Status::Provisioning | Status::Failed => Err("it is being created".into()),
                _ => Ok(Standing::Known(known.uuid)),
            };
        }
        let storage = &registry.common.storage;
        let found = match intended {
            Some(uuid) => storage.on_disk_of(uuid)?,
            None => storage.on_disk()?,
        };
        for found in found {
            let is_its = match (found.owner, intended) {
                (Some((key, _)), Some(uuid)) => key.uuid == uuid,
                // Its directory is named for it.
                (None, Some(_)) => true,
                (Some((key, _)), None) => {
                    key.id.folded() == self.run.tenant_id.folded()
                        && registry
                            .ask(|conn| conn.catalog_tenant(key.uuid))?
                            .is_none()
                }
                (None, None) => false,
            };
            let is_there = !found.generations.is_empty() || !found.unreadable.is_empty();
            if is_its && is_there && !found.tombstone {
                return Ok(Standing::Stranger);
            }
        }
        Ok(Standing::Nowhere)
    }

    fn created(
        &mut self,
        number: i32,
        step: &'static str,
        uuid: Uuid,
        commits: bool,
    ) -> Result<(), Halt<W::Error>> {
        let done = StepRow {
            number,
            step: step.to_owned(),
            phase: Phase::Done,
            result: Some(uuid.to_string()),
        };
        let run = self.run.id;
        match self.write(move |conn| conn.journal_put(run, &done)) {
            Ok(()) => {}
            Err(error) => return Err(self.halt(step, Cause::Undecided(error))),
        }
        self.committed |= commits;
        hit("workflow.created");
        self.within = None;
        Ok(())
    }
}
