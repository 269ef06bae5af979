//! How a context is opened on a tenant, and what is done about one that cannot be.
use std::sync::Arc;
use std::time::Duration;

use super::{Registry, Tenant};
use crate::audit::AuditPolicy;
use crate::backend::{Backend, ConnectError, Whose};
use crate::catalog::{OperationKind, Status};
use crate::context::{SharedContext, TenantContext};
use crate::database::Gate;
use crate::deadline::Patience;
use crate::error::{LifecycleError, OpenError};
use crate::migrate::{MigrateOptions, SchemaMismatch};
use crate::pool::CheckoutError;
use crate::tenant_id::TenantId;

mod failed;

pub(super) use failed::FailedMigration;

impl<C: Backend> Registry<C> {
    pub(crate) fn shared(&self) -> Result<SharedContext<C>, OpenError> {
        let checkout = self.shared.slots().checkout();
        crate::observe::context(None, checkout.is_ok());
        let checkout = checkout.map_err(|e| refused(e, None))?;
        Ok(SharedContext::new(
            Arc::clone(&self.shared),
            checkout,
            Arc::clone(&self.acting),
        ))
    }

    pub(crate) fn enter(&self, tenant: &Tenant<C>) -> Result<TenantContext<C>, OpenError> {
        let context = self.enter_unnoted(tenant)?;
        if self.hooks.audit.policy == AuditPolicy::All {
            let note = crate::audit::opening(context.generation());
            let noted = self.note_opening(tenant, self.acting(), note);
            noted.map_err(OpenError::Catalog)?;
        }
        Ok(context)
    }

    /// Opens a context; whether and how it is entered into the audit log is up to the caller.
    #[inline]
    pub(crate) fn enter_unnoted(&self, tenant: &Tenant<C>) -> Result<TenantContext<C>, OpenError> {
        let entered = self.try_enter(tenant);
        crate::observe::context(tenant.database.tenant_id(), entered.is_ok());
        entered
    }

    #[inline]
    fn try_enter(&self, tenant: &Tenant<C>) -> Result<TenantContext<C>, OpenError> {
        self.freshen().map_err(OpenError::Catalog)?;
        if tenant.database.gate() == Gate::Closed {
            self.closed(tenant)?;
        }
        match self.check_out(tenant) {
            Ok(context) => Ok(context),
            Err(error) => self.enter_again(tenant, error),
        }
    }

    #[inline]
    fn check_out(
        &self,
        tenant: &Tenant<C>,
    ) -> Result<TenantContext<C>, CheckoutError<ConnectError>> {
        let database = &tenant.database;
        // Read before the connection is taken: should the tenant move in between, the context is stale and says
        // so, and never the other way round.
        let generation = database.generation();
        let checkout = database.slots().checkout()?;
        Ok(TenantContext::new(
            Arc::clone(database),
            checkout,
            generation,
        ))
    }

    /// After a refusal that may come from old news: within the freshness bound the tenant may have moved, and the
    /// database this process believes in is closed, fenced or gone. With the newest word, one more try.
    #[cold]
    fn enter_again(
        &self,
        tenant: &Tenant<C>,
        error: CheckoutError<ConnectError>,
    ) -> Result<TenantContext<C>, OpenError> {
        let id = tenant.record().id;
        let error = match error {
            CheckoutError::Closed { .. }
            | CheckoutError::Connect {
                source:
                    ConnectError::Missing { .. }
                    | ConnectError::Fenced { .. }
                    | ConnectError::Open { .. },
            } => {
                self.closed(tenant)?;
                match self.check_out(tenant) {
                    Ok(context) => return Ok(context),
                    Err(error) => error,
                }
            }
            other => other,
        };
        Err(match error {
            // Closed again already: the caller's next try will find out why.
            CheckoutError::Closed { .. } => OpenError::Unavailable {
                id,
                status: Status::Restoring,
            },
            other => refused(other, Some(id)),
        })
    }

    /// Why the gate is closed, or `Ok` if it no longer is.
    #[cold]
    fn closed(&self, tenant: &Tenant<C>) -> Result<(), OpenError> {
        let mut patience = Patience::of(self.settings.drain_timeout);
        let mut settled = false;
        loop {
            // Another process may have opened it since: who is turned away gets the newest word.
            self.reload().map_err(OpenError::Catalog)?;
            let record = tenant.record();
            let id = record.id;
            let status = record.status;
            // Its process may have died over it, or failed to undo it while the disk was full.
            if status == Status::Restoring && !settled {
                settled = true;
                if let Ok(true) = crate::lifecycle::clear_unfinished(self, record.uuid) {
                    continue;
                }
            }
            if status != Status::Active {
                return Err(OpenError::Unavailable { id, status });
            }
            let found = record.schema_version.as_deref();
            let Err(mismatch) = self.common.tenant_migrations.gate(found) else {
                return Ok(());
            };
            let behind = matches!(mismatch, SchemaMismatch::Behind { .. });
            if !behind || !self.settings.schema_policy.migrates() {
                let whose = Whose::Tenant(id);
                return Err(OpenError::Connect(ConnectError::Schema { whose, mismatch }));
            }
            match self.migrate_on_open(tenant, &patience) {
                Ok(()) => {}
                Err(source) if is_in_progress(&source) && patience.pause() => {}
                Err(source) => return Err(OpenError::MigrateOnOpen { id, source }),
            }
        }
    }

    /// Migrates a tenant that is behind, unless that has failed a short while ago: each try is entered in the journal and
    /// the audit log, and whoever knocks at the door would write them.
    fn migrate_on_open(
        &self,
        tenant: &Tenant<C>,
        patience: &Patience,
    ) -> Result<(), Arc<LifecycleError>> {
        let kind = OperationKind::Migrate;
        let record = tenant.record();
        let id = record.id;
        // One of this process at a time: the others learn what became of it.
        let Some(mut failed) = tenant.failed.try_lock_until(patience.until()) else {
            return Err(Arc::new(LifecycleError::InProgress { id, kind }));
        };
        if tenant.record().schema_version != record.schema_version {
            return Ok(());
        }
        if let Some(error) = failed.as_ref().and_then(|failed| failed.stands(&record)) {
            return Err(error);
        }
        let options = MigrateOptions::default();
        let migrated =
            crate::lifecycle::migrate_one(self, tenant, options, &mut Duration::default());
        let migrated = migrated.map(drop).map_err(Arc::new);
        *failed = match &migrated {
            Err(error) => FailedMigration::of(&record, error),
            Ok(()) => None,
        };
        migrated
    }
}

fn is_in_progress(error: &LifecycleError) -> bool {
    matches!(error, LifecycleError::InProgress { .. })
}

pub(crate) fn refused(error: CheckoutError<ConnectError>, tenant: Option<TenantId>) -> OpenError {
    match error {
        CheckoutError::Connect { source } => OpenError::Connect(source),
        CheckoutError::Busy {
            waited,
            in_use,
            max,
        } => OpenError::Busy {
            tenant,
            waited,
            in_use,
            max,
        },
        CheckoutError::BudgetExhausted {
            open,
            in_use,
            max,
            waited,
        } => OpenError::BudgetExhausted {
            tenant,
            open,
            in_use,
            max,
            waited,
        },
        CheckoutError::Closed { .. } => OpenError::ShuttingDown,
    }
}
