//! The end of a tenant, decided: a date from which on it may be purged, and the legal hold that stands in the way.
//!
//! Each is one transaction on the catalogue and needs no journal.
use std::time::SystemTime;

use uuid::Uuid;

use super::settling;
use crate::backend::{Backend, Storage};
use crate::catalog::{Retention, TenantRecord};
use crate::display_name::DisplayName;
use crate::error::{LifecycleError, RetentionError};
use crate::registry::Registry;
use crate::tenancy::Tenancy;
use crate::tenant_id::TenantId;

impl<C: Backend> Tenancy<C> {
    /// Deletes an archived tenant: from the date this returns on, it may be [purged](Self::purge).
    ///
    /// Until then nothing of it is removed: it stays archived, closed to everybody, and [`undelete`](Self::undelete)
    /// takes the deletion back. Called again, the date is set anew. `confirmation` is the tenant's id as it was
    /// created, typed by whoever decides.
    ///
    /// The time of a [`Retention`] in days begins now; where the clock is behind a time the catalogue has seen, it
    /// begins then.
    ///
    /// # Errors
    /// See [`RetentionError`].
    ///
    /// # Example
    /// ```
    /// # use diesel_tenants::{Retention, prelude::*};
    /// # diesel::table! { users { id -> Integer, } }
    /// # diesel::table! { patients { id -> Integer, } }
    /// # routes! { static ROUTES; shared { accounts { users } } tenant { wards { patients } } }
    /// # let directory = tempfile::tempdir()?;
    /// # let tenancy = Tenancy::<SqliteConnection>::builder(&ROUTES).sqlite(directory.path().join("data")).init().open()?;
    /// # let id: TenantId = "TH001".parse()?;
    /// # tenancy.create(&id, NewTenant::named("Teaching Hospital"))?;
    /// tenancy.suspend(&id)?;
    /// tenancy.archive(&id)?;
    /// let date = tenancy.delete(&id, "TH001", Retention::days(90))?;
    /// assert!(tenancy.purge(&id, "TH001").is_err(), "its data is kept until {date:?}");
    /// tenancy.undelete(&id)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn delete(
        &self,
        id: &TenantId,
        confirmation: &str,
        retention: Retention,
    ) -> Result<SystemTime, RetentionError> {
        let tenant = self.registry.tenant(id)?;
        let record = tenant.record();
        if confirmation != record.id.as_str() {
            return Err(RetentionError::NotConfirmed { id: record.id });
        }
        if retention.is_too_long() {
            return Err(RetentionError::TooLong { id: record.id });
        }
        let uuid = record.uuid;
        let mut date = None;
        settling(&self.registry, record.id, None, |c| {
            let scheduled = c.retention_schedule(uuid, retention)?;
            date = c.catalog_tenant(uuid).ok().flatten();
            Ok(scheduled)
        })?;
        // Somebody may have taken it back in the meantime; it was deleted all the same.
        let date = date.and_then(|now| now.delete_after);
        Ok(date.unwrap_or_else(SystemTime::now))
    }

    /// Takes a deletion back: the tenant is archived and kept.
    ///
    /// So does [`unarchive`](Self::unarchive) on its way. Nothing to do for a tenant that was not deleted.
    ///
    /// # Errors
    /// See [`RetentionError`].
    pub fn undelete(&self, id: &TenantId) -> Result<(), RetentionError> {
        let record = self.registry.tenant(id)?.record();
        let uuid = record.uuid;
        Ok(settling(&self.registry, record.id, None, |c| {
            c.retention_cancel(uuid)
        })?)
    }

    /// Puts a tenant under a legal hold: nothing of its data is removed until [`release_hold`](Self::release_hold).
    ///
    /// Backups and old generations of it that somebody had begun to remove, and which are whole still, are kept again; what is
    /// gone by then is gone. It may be used, archived and deleted meanwhile, and it is not [purged](Self::purge), whatever
    /// the date. Of a hold and a purge at the same moment one wins: either the tenant is on hold and whole, or this fails.
    /// Called again, the reason is replaced.
    ///
    /// `reason` is 1 to 200 characters by the rules of a [`DisplayName`]; it stands in
    /// [`TenantRecord::legal_hold`](crate::TenantRecord::legal_hold).
    ///
    /// # Errors
    /// See [`RetentionError`]; [`LifecycleError::WrongStatus`](crate::LifecycleError::WrongStatus) where it is being
    /// purged.
    pub fn hold(&self, id: &TenantId, reason: &str) -> Result<(), RetentionError> {
        let record = self.registry.tenant(id)?.record();
        let (id, uuid) = (record.id, record.uuid);
        let reason: DisplayName = reason
            .parse()
            .map_err(|source| RetentionError::HoldReason { id, source })?;
        set_hold(&self.registry, id, uuid, Some(reason.as_str()))?;
        // What is being removed and is whole still is kept again; where that cannot be done now, whoever opens it next does.
        let _ = crate::restore::recover(&self.registry);
        let _ = crate::backup::recover(&self.registry);
        Ok(())
    }

    /// Lifts a legal hold. Nothing to do where there is none.
    ///
    /// # Errors
    /// See [`RetentionError`].
    pub fn release_hold(&self, id: &TenantId) -> Result<(), RetentionError> {
        let record = self.registry.tenant(id)?.record();
        Ok(set_hold(&self.registry, record.id, record.uuid, None)?)
    }
}

/// Lays a hold or lifts it, in the catalogue and beside it: an older one that is put in its place some day knows nothing of it.
/// Both in one transaction, so that of two at the same moment both are what the later one says.
fn set_hold<C: Backend>(
    registry: &Registry<C>,
    id: TenantId,
    tenant: Uuid,
    reason: Option<&str>,
) -> Result<(), LifecycleError> {
    let storage = &registry.common.storage;
    let mut failed = None;
    // One that stood before outlives a call that fails, even one that failed before anybody looked.
    let mut stood = true;
    let mut beside = |_: &TenantRecord| {
        stood = storage.has_hold(tenant).unwrap_or(true);
        let done = match reason {
            Some(reason) => storage.write_hold(tenant, reason),
            None => storage.remove_hold(tenant),
        };
        failed = done.err();
        failed.is_none()
    };
    let set = settling(registry, id, None, |c| {
        c.retention_hold(tenant, reason, &mut beside)
    });
    if set.is_err() {
        // What cannot be put right now is when the library is opened next.
        let _ = follow(registry, tenant, reason.is_some() && stood);
    }
    match failed {
        Some(error) => Err(error.into()),
        None => set,
    }
}

/// Makes what stands beside the catalogue of a hold what the catalogue says. Where that has none, what stands there may be
/// to be `kept`: it is laid when the library is opened next.
fn follow<C: Backend>(
    registry: &Registry<C>,
    tenant: Uuid,
    kept: bool,
) -> Result<(), LifecycleError> {
    let storage = &registry.common.storage;
    let mut done = Ok(());
    registry.change(|c| {
        c.retention_as_held(tenant, &mut |record| {
            done = match &record.legal_hold {
                Some(reason) => storage.write_hold(tenant, reason),
                None if kept => Ok(()),
                None => storage.remove_hold(tenant),
            };
        })
    })?;
    Ok(done?)
}

/// Lays the holds that are written down beside the catalogue and are not in it, as after an older one was put in its place.
pub(crate) fn lay_holds<C: Backend>(registry: &Registry<C>) -> Result<(), LifecycleError> {
    let storage = &registry.common.storage;
    for (tenant, reason) in storage.holds()? {
        let record = registry.by_uuid(tenant)?.map(|tenant| tenant.record());
        if record.is_some_and(|record| record.legal_hold.is_none()) {
            // Somebody may have lifted it, or laid another one, since both were read.
            let (mut asked, mut is_missing) = (false, false);
            let laid = registry.change(|c| {
                c.retention_hold(tenant, Some(&reason), &mut |record| {
                    asked = true;
                    let stands = storage.has_hold(tenant).unwrap_or(true);
                    is_missing = record.legal_hold.is_none() && stands;
                    is_missing
                })
            });
            // What failed before it was asked has laid nothing, and nobody knows that it need not.
            if is_missing || !asked {
                laid?;
            }
        }
    }
    Ok(())
}

/// Writes down beside the catalogue what holds are in it and not there: those of an older build, or where a process died while
/// one was being lifted.
pub(crate) fn keep_holds<C: Backend>(registry: &Registry<C>) -> Result<(), LifecycleError> {
    let storage = &registry.common.storage;
    for record in registry.tenants()? {
        if record.legal_hold.is_some() && !storage.has_hold(record.uuid)? {
            follow(registry, record.uuid, false)?;
        }
    }
    Ok(())
}

/// Removes what processes that are no more were writing of holds and of tombstones, and never finished.
pub(crate) fn sweep<C: Backend>(registry: &Registry<C>) -> Result<(), LifecycleError> {
    let storage = &registry.common.storage;
    storage.sweep_holds()?;
    for tenant in storage.unfinished_tombstones()? {
        // Whoever writes one has an operation open on the tenant, and whoever finishes that writes it anew.
        let mut swept = Ok(());
        registry.change(|c| {
            c.retention_while_idle(tenant, &|_| true, &mut || {
                swept = storage.remove_unfinished_tombstone(tenant);
            })
        })?;
        swept?;
    }
    Ok(())
}
