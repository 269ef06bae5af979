//! Why a hospital was not registered, closed, or opened again.
use crate::display_name::DisplayNameError;
use crate::error::{
    CatalogError, CreateError, LifecycleError, OpenError, OwnError, QuotaError, RetentionError,
    WorkflowError,
};
use crate::services::accounts::AccountError;
use crate::services::subscriptions::SubscriptionError;
use crate::subdomain::{Subdomain, SubdomainError};
use crate::tenant_id::{TenantId, TenantIdError};

/// Why something with a whole hospital did not happen. Unless it says otherwise, nothing is left of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnboardingError {
    /// The code is none.
    #[error(transparent)]
    BadCode(#[from] TenantIdError),
    /// The name is none.
    #[error(transparent)]
    BadName(#[from] DisplayNameError),
    /// The subdomain is none.
    #[error(transparent)]
    BadSubdomain(#[from] SubdomainError),
    /// One of the other details.
    #[error("{which} cannot be kept; {rule}")]
    BadDetail {
        /// Which.
        which: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// There is, or was, a hospital of this code; or one is being registered now.
    #[error("there is a hospital of the code `{code}`, or there was; choose another code")]
    CodeTaken {
        /// The code.
        code: TenantId,
    },
    /// There is, or was, a hospital at this subdomain; or one is being registered now.
    #[error("the subdomain `{subdomain}` belongs to another hospital; choose another one")]
    SubdomainTaken {
        /// The subdomain.
        subdomain: Subdomain,
    },
    /// The owner's account, for instance because there is one of this address.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The subscription, for instance because there is no such plan.
    #[error(transparent)]
    Subscription(#[from] SubscriptionError),
    /// No hospital has this code.
    #[error("there is no hospital of the code `{code}`")]
    UnknownHospital {
        /// The code.
        code: TenantId,
    },
    /// The hospital is closed: open it again first.
    #[error("hospital `{code}` is closed; open it again with `reopen`")]
    Closed {
        /// Its code.
        code: TenantId,
    },
    /// The hospital is not closed, so there is nothing to open again.
    #[error("hospital `{code}` is not closed")]
    NotClosed {
        /// Its code.
        code: TenantId,
    },
    /// The confirmation is not the hospital's code.
    #[error("closing needs the hospital's code, `{code}`, typed exactly as confirmation")]
    NotConfirmed {
        /// Its code.
        code: TenantId,
    },
    /// The hospital's data cannot be had back.
    #[error("the data of hospital `{code}` is not kept any more, so it cannot be opened again")]
    Gone {
        /// Its code.
        code: TenantId,
    },
    /// More members would come back than the plan allows. Nothing was changed, and the data is kept until the same date.
    #[error(
        "hospital `{code}` would have {found} users again, and the plan allows {limit}; choose a larger plan, or revoke memberships first"
    )]
    TooManyUsers {
        /// Its code.
        code: TenantId,
        /// How many members would come back who are not patients.
        found: i64,
        /// How many the plan allows.
        limit: i64,
    },
    /// **The hospital is registered**; only its owner's first password could not be made. Register it once more with the
    /// same key, or reset the password in the console.
    #[error(
        "hospital `{code}` is registered, but its owner has no password yet; ask again with the same key, or reset it"
    )]
    NoPassword {
        /// Its code.
        code: TenantId,
        /// Why.
        #[source]
        source: AccountError,
    },
    /// **The hospital and its database are there**, and are not each other's: while it was being registered somebody else bound
    /// the hospital's row to another tenant, or removed it. Nobody can work in it. The run is left; it is finished by the same
    /// key, or by [`recover`](crate::Tenancy::recover), once [`rebind`](crate::services::hospitals::rebind) has put that right.
    #[error(
        "the database of hospital `{code}` was created, but the hospital's row is another tenant's by now, or gone; bind it to its tenant, then ask again with the same key"
    )]
    NotBound {
        /// Its code.
        code: TenantId,
    },
    /// The tenant could not be closed or opened now. It is tried again; see [`WorkflowError::Unfinished`].
    #[error(transparent)]
    Lifecycle(#[from] LifecycleError),
    /// The deletion could not be scheduled, or taken back.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// The plan's storage limit could not be set.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// The database could not be made.
    #[error(transparent)]
    Create(Box<CreateError>),
    /// The shared database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The run itself: it is under way in other hands, was left and is finished later, or has no workflow registered.
    #[error(transparent)]
    Run(Box<WorkflowError<OwnError>>),
    /// The catalogue cannot be asked.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A statement failed.
    #[error("the hospital cannot be read or written down")]
    Query(#[from] diesel::result::Error),
}

impl OnboardingError {
    /// Whether the same call, with the same key, may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Run(run) => run.is_retryable(),
            Self::Create(create) => create.is_retryable(),
            Self::Open(open) => open.is_retryable(),
            Self::Lifecycle(lifecycle) => lifecycle.is_retryable(),
            Self::Retention(retention) => retention.is_retryable(),
            Self::NoPassword { .. } | Self::NotBound { .. } => true,
            _ => false,
        }
    }
}

impl From<WorkflowError<Self>> for OnboardingError {
    fn from(error: WorkflowError<Self>) -> Self {
        if let WorkflowError::Unfinished { source, .. } = &error
            && let Some(Self::NotBound { code }) = source.downcast_ref()
        {
            return Self::NotBound { code: *code };
        }
        match error {
            WorkflowError::Failed { source, .. } => source,
            WorkflowError::Open { source, .. } => Self::Open(*source),
            WorkflowError::Create { source, .. } => match *source {
                CreateError::AlreadyExists { id: code, .. } | CreateError::Retired { id: code } => {
                    Self::CodeTaken { code }
                }
                CreateError::SubdomainTaken { subdomain, .. } => Self::SubdomainTaken { subdomain },
                other => Self::Create(Box::new(other)),
            },
            run => Self::Run(Box::new(run.map(OwnError::new))),
        }
    }
}
