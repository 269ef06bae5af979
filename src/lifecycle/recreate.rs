//! Recreating: a tenant is emptied, its id, names and uuid stay.
//!
//! The steps are those of [`generation`](super::generation), with `stage.directory` · `stage.cloned` ·
//! `stage.stamped` for the staging database, after those of a [backup](crate::backup) of the fenced database. Nothing is
//! removed: the database of before is kept, fenced.
use super::{Next, Old, Staged, next_generation};
use crate::backend::{Backend, Storage};
use crate::backup::{self, BackupError, BackupOptions, BackupReason, BackupRecord};
use crate::catalog::{OperationKind, Status};
use crate::error::{LifecycleError, RecreateError};
use crate::registry::{Registry, Tenant};
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

/// How a tenant is emptied.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct RecreateOptions {
    without_backup: bool,
}

impl RecreateOptions {
    /// Takes no backup before. What was in the old database is then in its kept generation only.
    pub fn without_backup(mut self) -> Self {
        self.without_backup = true;
        self
    }
}

/// What [`Tenancy::recreate`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recreated {
    /// The generation in use now, which is empty.
    pub generation: u64,
    /// The generation of before, which is kept for an undo. `None` where there was no file any more.
    pub kept: Option<u64>,
    /// What was wrong with the database of before, where it could not be used any more. Its file is kept all the
    /// same.
    pub lost: Option<String>,
    /// The backup that was taken before. `None` where the database was lost, or none was wanted.
    pub backup: Option<BackupRecord>,
}

impl<C: Backend> Tenancy<C> {
    /// Gives a tenant a new and empty database, made from the template, in place of the one it has.
    ///
    /// `confirmation` is the tenant's id as it was created, typed by whoever decides. A backup is taken before, of all
    /// that was acknowledged. The old database is kept, too, fenced, as a generation of its own. Where it is missing
    /// or damaged there is nothing to back up: this goes on, keeps the file, and says so. A suspended tenant stays
    /// suspended.
    ///
    /// The tenant is closed and fenced meanwhile, as by [`compact`](Self::compact).
    ///
    /// # Errors
    /// See [`RecreateError`]; the tenant then goes on with the database it had.
    pub fn recreate(&self, id: &TenantId, confirmation: &str) -> Result<Recreated, RecreateError> {
        self.recreate_with(id, confirmation, &RecreateOptions::default())
    }

    /// [`recreate`](Self::recreate), with options.
    ///
    /// # Errors
    /// See [`RecreateError`].
    pub fn recreate_with(
        &self,
        id: &TenantId,
        confirmation: &str,
        options: &RecreateOptions,
    ) -> Result<Recreated, RecreateError> {
        recreate(&self.registry, id, confirmation, options)
    }
}

fn recreate<C: Backend>(
    registry: &Registry<C>,
    id: &TenantId,
    confirmation: &str,
    options: &RecreateOptions,
) -> Result<Recreated, RecreateError> {
    let tenant = registry.tenant(id)?;
    let record = tenant.record();
    if confirmation != record.id.as_str() {
        return Err(RecreateError::NotConfirmed { id: record.id });
    }
    let (storage, set) = (&registry.common.storage, &registry.common.tenant_migrations);
    let fingerprint = registry.common.prepare_template();
    let fingerprint = fingerprint.map_err(LifecycleError::from)?.to_owned();
    let key = record.key();
    let next = Next {
        kind: OperationKind::Recreate,
        from: &[Status::Active, Status::Suspended],
        old: Old::Keep,
        over_lost: true,
    };
    let (mut lost, mut backup) = (None, None);
    let made = next_generation(registry, &tenant, &next, |operation| {
        // It is fenced, so nothing is acknowledged any more that is not in the backup; or there is nothing that can
        // be fenced.
        let before = storage.connect_tenant(&key, operation.from_generation);
        lost = before.err().filter(|e| e.is_lost()).map(|e| e.to_string());
        if !options.without_backup && lost.is_none() {
            match back_up(registry, &tenant)? {
                Ok(taken) => backup = Some(taken),
                Err(symptom) => lost = Some(symptom),
            }
        }
        let staged = storage.stage_from_template(&key, operation.to_generation, set);
        staged.map_err(LifecycleError::from)?;
        Ok::<_, RecreateError>(Staged {
            schema: Some((set.latest().map(str::to_owned), fingerprint)),
        })
    })?;
    Ok(Recreated {
        generation: made.generation,
        kept: made.kept,
        lost,
        backup,
    })
}

/// Backs up what is about to go out of use. The inner error is what is wrong with a database that is no longer whole:
/// damage in the middle of it shows only when all of it is read.
fn back_up<C: Backend>(
    registry: &Registry<C>,
    tenant: &Tenant<C>,
) -> Result<Result<BackupRecord, String>, RecreateError> {
    let options = BackupOptions::new().reason(BackupReason::BeforeRecreate);
    match backup::take(registry, tenant, &options) {
        Ok(taken) => Ok(Ok(taken)),
        Err(BackupError::Source { source, .. }) if source.is_lost() => Ok(Err(source.to_string())),
        Err(source) => Err(RecreateError::Backup {
            id: tenant.record().id,
            source: Box::new(source),
        }),
    }
}
