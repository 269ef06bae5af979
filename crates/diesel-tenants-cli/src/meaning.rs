//! What the library's errors mean on the command line: which exit code, which words, which next step.
use diesel_tenants::adopt::{AdoptError, MappingError};
use diesel_tenants::backend::InvalidBackup;
use diesel_tenants::backend::sqlite::root::RootError;
use diesel_tenants::error::{AuditError, CatalogError, ReferenceError};
use diesel_tenants::export::ExportError;
use diesel_tenants::fleet::FleetError;
use diesel_tenants::import::ImportError;
use diesel_tenants::repair::RepairError;
use diesel_tenants::verify::VerifyError;
use diesel_tenants::{
    BackupError, CreateError, Error, LifecycleError, OpenError, PurgeError, QuotaError,
    RecreateError, RenameError, RestoreError, RetentionError, SetupError,
};

use crate::failure::{Failure, Kind};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match error.is_retryable() {
            true => Kind::Busy,
            false => kind_of(&error),
        };
        let mut failure = Self::of(kind, &error);
        if let Some(message) = in_words_of_the_command_line(&error) {
            failure.message = message;
        }
        failure.hint = next_step(&error).map(str::to_owned);
        failure
    }
}

/// The error of a tenant that could not be reached, where it is one, whatever the operation.
fn of_opening(error: &Error) -> Option<&OpenError> {
    match error {
        Error::Open(error)
        | Error::Create(CreateError::Open(error))
        | Error::Backup(BackupError::Open(error)) => Some(error),
        other => match of_lifecycle(other)? {
            LifecycleError::Open(error) => Some(error),
            _ => None,
        },
    }
}

/// The error every operation on a tenant has in common, where it is one.
fn of_lifecycle(error: &Error) -> Option<&LifecycleError> {
    match error {
        Error::Lifecycle(error)
        | Error::Retention(RetentionError::Lifecycle(error))
        | Error::Purge(PurgeError::Lifecycle(error))
        | Error::Recreate(RecreateError::Lifecycle(error))
        | Error::Rename(RenameError::Lifecycle(error))
        | Error::Quota(QuotaError::Lifecycle(error)) => Some(error),
        _ => None,
    }
}

fn kind_of(error: &Error) -> Kind {
    if let Some(error) = of_opening(error) {
        return match error {
            OpenError::UnknownTenant { .. } | OpenError::UnknownSubdomain { .. } => Kind::NotFound,
            OpenError::Unavailable { .. } => Kind::Refused,
            _ => Kind::Failed,
        };
    }
    if let Some(error) = of_lifecycle(error) {
        return match error {
            LifecycleError::Unknown { .. } => Kind::NotFound,
            LifecycleError::WrongStatus { .. } => Kind::Refused,
            _ => Kind::Failed,
        };
    }
    match error {
        Error::Setup(SetupError::Root(_)) | Error::TenantId(_) => Kind::Usage,
        Error::Create(
            CreateError::AlreadyExists { .. }
            | CreateError::Retired { .. }
            | CreateError::SubdomainTaken { .. },
        ) => Kind::Refused,
        Error::Create(CreateError::DisplayName(_) | CreateError::Subdomain(_)) => Kind::Usage,
        Error::Fleet(FleetError::UnknownTenant { .. } | FleetError::UnknownRun { .. })
        | Error::Reference(ReferenceError::UnknownList { .. }) => Kind::NotFound,
        Error::Retention(RetentionError::HoldReason { .. } | RetentionError::TooLong { .. })
        | Error::Audit(AuditError::RetentionTooShort { .. })
        | Error::Quota(QuotaError::OutOfRange(_)) => Kind::Usage,
        Error::Purge(PurgeError::FinalBackup { .. }) => Kind::Failed,
        // What is left of these says that a rule forbids it.
        Error::Retention(_) | Error::Purge(_) | Error::Rename(_) => Kind::Refused,
        _ => Kind::Failed,
    }
}

/// The message, where the library's own speaks of functions.
fn in_words_of_the_command_line(error: &Error) -> Option<String> {
    if let Some(OpenError::UnknownTenant { id }) = of_opening(error) {
        return Some(format!("tenant `{id}` is not known"));
    }
    match error {
        Error::Create(CreateError::Retired { id }) => Some(format!(
            "the id `{id}` belonged to a tenant that was deleted"
        )),
        Error::Reference(ReferenceError::UnknownList { list }) => {
            Some(format!("no list {list} was ever pushed"))
        }
        Error::Fleet(FleetError::UnknownRun { id }) => Some(format!("run {id} is not known")),
        Error::Audit(AuditError::RetentionTooShort { shortest, .. }) => Some(format!(
            "entries are kept for six years at the least; the shortest age is `{}d`",
            shortest.as_secs() / (24 * 60 * 60)
        )),
        Error::Purge(PurgeError::OnHold { id }) => Some(format!(
            "tenant `{id}` is under a legal hold; nothing of it may be removed"
        )),
        Error::Recreate(RecreateError::Backup { id, .. }) => Some(format!(
            "tenant `{id}` could not be backed up, and so was not recreated"
        )),
        _ => None,
    }
}

fn next_step(error: &Error) -> Option<&'static str> {
    if let Some(OpenError::UnknownTenant { .. }) = of_opening(error) {
        return Some("`list` shows those there are, `create` makes a new one");
    }
    match error {
        Error::Setup(SetupError::Root(RootError::RootMissing { .. })) => {
            Some("`init` makes it, the first time")
        }
        Error::Reference(ReferenceError::UnknownList { .. }) => Some("`reference` lists them"),
        Error::Fleet(FleetError::UnknownTenant { .. }) => Some("`list` shows those there are"),
        Error::Create(CreateError::Retired { .. }) => {
            Some("choose another id, or `--reuse-retired-id` for a new and empty tenant")
        }
        Error::Create(CreateError::NotUndone { .. }) => {
            Some("free what is in the way, then run `doctor`")
        }
        _ => None,
    }
}

macro_rules! from_library {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Error::from(error).into()
            }
        }
    )*};
}
from_library!(
    SetupError,
    OpenError,
    CreateError,
    LifecycleError,
    RetentionError,
    PurgeError,
    RecreateError,
    RenameError,
    QuotaError,
    FleetError,
    ReferenceError,
    AuditError,
    diesel::result::Error,
);

impl From<CatalogError> for Failure {
    fn from(error: CatalogError) -> Self {
        OpenError::Catalog(error).into()
    }
}

/// Busy if it may succeed later, else of this kind.
fn unless_busy(kind: Kind, retryable: bool, error: &dyn std::error::Error) -> Failure {
    Failure::of(if retryable { Kind::Busy } else { kind }, error)
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let kind = match error {
            VerifyError::Open(error) => return error.into(),
            VerifyError::NoDatabase { .. } => Kind::Refused,
            _ => Kind::Failed,
        };
        unless_busy(kind, error.is_retryable(), &error)
    }
}

impl From<RepairError> for Failure {
    fn from(error: RepairError) -> Self {
        let kind = match error {
            RepairError::Verify(error) => return error.into(),
            RepairError::Lifecycle(error) => return error.into(),
            RepairError::Open(error) => return error.into(),
            RepairError::NoSuchColumn { .. } => Kind::Usage,
            RepairError::NotRepairable { .. }
            | RepairError::Ahead { .. }
            | RepairError::PlanOutdated { .. } => Kind::Refused,
            _ => Kind::Failed,
        };
        unless_busy(kind, error.is_retryable(), &error)
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        let kind = match &error {
            BackupError::Open(_) => return Error::Backup(error).into(),
            BackupError::Unknown { .. } => Kind::NotFound,
            BackupError::Invalid(invalid)
                if matches!(**invalid, InvalidBackup::ManifestMissing { .. }) =>
            {
                Kind::NotFound
            }
            BackupError::Invalid(invalid)
                if matches!(
                    **invalid,
                    InvalidBackup::Set { .. } | InvalidBackup::NotADirectory { .. }
                ) =>
            {
                Kind::Usage
            }
            BackupError::NoDatabase { .. } | BackupError::Pinned { .. } => Kind::Refused,
            _ => Kind::Failed,
        };
        let failure = unless_busy(kind, error.is_retryable(), &error);
        match error {
            BackupError::Unknown { id } => Self {
                message: format!("no backup {id} is known"),
                ..failure.hint("`backups` lists those there are")
            },
            _ => failure,
        }
    }
}

impl From<RestoreError> for Failure {
    fn from(error: RestoreError) -> Self {
        let kind = match error {
            RestoreError::Open(error) => return error.into(),
            RestoreError::Backup(error) => return (*error).into(),
            RestoreError::Lifecycle(error) => return (*error).into(),
            RestoreError::Create(error) => return (*error).into(),
            RestoreError::NoSafetyBackup(_)
            | RestoreError::Storage(_)
            | RestoreError::Catalog(_) => Kind::Failed,
            // What is left says that this backup, or this tenant, does not allow it.
            _ => Kind::Refused,
        };
        unless_busy(kind, error.is_retryable(), &error)
    }
}

impl From<MappingError> for Failure {
    fn from(error: MappingError) -> Self {
        Self::of(Kind::Usage, &error)
    }
}

impl From<AdoptError> for Failure {
    fn from(error: AdoptError) -> Self {
        let kind = match error {
            AdoptError::Create(error) => return error.into(),
            AdoptError::Missing { .. } => Kind::NotFound,
            AdoptError::Storage(_)
            | AdoptError::Query(_)
            | AdoptError::Open { .. }
            | AdoptError::Read { .. } => Kind::Failed,
            // What is left says what is wrong with the file.
            _ => Kind::Refused,
        };
        unless_busy(kind, error.is_retryable(), &error)
    }
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        let kind = match error {
            ExportError::Open(error) => return error.into(),
            ExportError::Exists { .. } | ExportError::InProgress { .. } => Kind::Refused,
            _ => Kind::Failed,
        };
        unless_busy(kind, error.is_retryable(), &error)
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let kind = match error {
            ImportError::Create(error) => return error.into(),
            ImportError::NoManifest { .. } => Kind::NotFound,
            ImportError::File(_) | ImportError::Storage(_) | ImportError::Query(_) => Kind::Failed,
            // What is left says that this export cannot be taken in here.
            _ => Kind::Refused,
        };
        unless_busy(kind, error.is_retryable(), &error)
    }
}
