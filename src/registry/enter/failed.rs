//! A migration on open that failed, remembered for a while.
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::TenantRecord;
use crate::clock::Coarse;
use crate::error::LifecycleError;

/// How long a failed migration is answered from memory. Whoever has mended the cause waits no longer than this, or calls
/// [`Tenancy::migrate_tenant`](crate::Tenancy::migrate_tenant), which always tries.
const BACK_OFF: Duration = Duration::from_secs(60);

/// What became of a migration, of the database it was tried on. Kept by the one library whose set of migrations was tried,
/// in memory alone: another build, or the same one started again, tries it anew.
pub(in crate::registry) struct FailedMigration {
    generation: u64,
    schema_version: Option<String>,
    at: Coarse,
    error: Arc<LifecycleError>,
}

impl FailedMigration {
    /// What is worth being remembered: that the database, or the set, is not as it has to be. What the next try may do better
    /// is not, and neither is a refusal that wrote nothing.
    pub(super) fn of(record: &TenantRecord, error: &Arc<LifecycleError>) -> Option<Self> {
        let lasting = matches!(
            **error,
            LifecycleError::Migrate { .. }
                | LifecycleError::Connect(_)
                | LifecycleError::Storage(_)
                | LifecycleError::Schema { .. }
        );
        (lasting && !error.is_retryable()).then(|| Self {
            generation: record.generation,
            schema_version: record.schema_version.clone(),
            at: Coarse::now(),
            error: Arc::clone(error),
        })
    }

    /// The error, where a new try would meet the same database and not enough time has passed.
    pub(super) fn stands(&self, record: &TenantRecord) -> Option<Arc<LifecycleError>> {
        self.stands_after(Coarse::now().since(self.at), record)
    }

    fn stands_after(&self, age: Duration, record: &TenantRecord) -> Option<Arc<LifecycleError>> {
        let same = self.generation == record.generation
            && self.schema_version == record.schema_version
            && age < BACK_OFF;
        same.then(|| Arc::clone(&self.error))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::backend::{ConnectError, Whose};
    use crate::catalog::{OperationKind, Status};
    use crate::migrate::MigrateError;

    #[test]
    fn a_failure_stands_for_the_database_it_was_met_on_and_for_a_while() {
        let id = "TH001".parse().unwrap();
        let now = SystemTime::now();
        let record = TenantRecord {
            uuid: uuid::Uuid::nil(),
            id,
            display_name: "x".parse().unwrap(),
            subdomain: None,
            status: Status::Active,
            generation: 1,
            schema_version: Some("1".to_owned()),
            schema_fingerprint: None,
            plan: None,
            placement: "local".to_owned(),
            created_at: now,
            changed_at: now,
            delete_after: None,
            legal_hold: None,
            quota: None,
            ledger_digest: None,
            change_seq: 0,
        };
        let version = "1".to_owned();
        let source = Box::new(MigrateError::MigrationUnknown { version });
        let error = Arc::new(LifecycleError::Migrate { id, source });
        let failed = FailedMigration::of(&record, &error).unwrap();
        let second = Duration::from_secs(1);
        assert!(failed.stands(&record).is_some());
        assert!(failed.stands_after(BACK_OFF - second, &record).is_some());
        assert!(failed.stands_after(BACK_OFF, &record).is_none());
        let restored = TenantRecord {
            generation: 2,
            ..record.clone()
        };
        let migrated = TenantRecord {
            schema_version: Some("2".to_owned()),
            ..record.clone()
        };
        assert!(failed.stands_after(second, &restored).is_none());
        assert!(failed.stands_after(second, &migrated).is_none());

        let kind = OperationKind::Migrate;
        let whose = Whose::Tenant(id);
        for passing in [
            LifecycleError::InProgress { id, kind },
            LifecycleError::Unknown { id },
            ConnectError::OutOfDescriptors { whose }.into(),
        ] {
            assert!(FailedMigration::of(&record, &Arc::new(passing)).is_none());
        }
    }
}
