//! What is to be entered into the audit log.
use std::borrow::Cow;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::access::{Reason, RoleName};
use crate::backend::TenantKey;
use crate::tenant_id::TenantId;

/// That retention took the oldest entries away.
pub(crate) const PRUNE: &str = "audit.prune";

/// Something that was done, or is about to be, for the audit log. Who did it is added by the
/// [`Tenancy`](crate::Tenancy) it is given to.
///
/// # Example
/// ```
/// use diesel_tenants::audit::AuditNote;
///
/// let note = AuditNote::new("patients.export")?.with("rows", 1200);
/// assert!(AuditNote::new("Patients exported!").is_err());
/// # let _ = note;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct AuditNote {
    pub(crate) action: Cow<'static, str>,
    /// A workflow may be about a tenant that is not there yet: it has an id and no uuid.
    pub(crate) tenant: Option<(TenantId, Option<Uuid>)>,
    pub(crate) generation: Option<u64>,
    pub(crate) subject: Option<Uuid>,
    pub(crate) role: Option<RoleName>,
    pub(crate) reason: Option<Reason>,
    detail: Map<String, Value>,
}

impl AuditNote {
    /// An action of the application: lower-case words of letters, digits, `-` and `_`, at least two, with `.` between
    /// them (`patients.export`); at most 64 characters.
    ///
    /// # Errors
    /// [`AuditActionError`] for anything else.
    pub fn new(action: impl Into<String>) -> Result<Self, AuditActionError> {
        let action = action.into();
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
        };
        let is_action =
            action.len() <= 64 && action.contains('.') && action.split('.').all(is_word);
        match is_action {
            true => Ok(Self::of(action.into())),
            false => Err(AuditActionError),
        }
    }

    /// An action of the library's own, from the list of [`ACTIONS`](super::ACTIONS).
    pub(crate) fn of_library(action: impl Into<Cow<'static, str>>) -> Self {
        let action = action.into();
        debug_assert!(
            super::ACTIONS.iter().any(|(known, _)| *known == action),
            "`{action}` is not in the list of actions"
        );
        Self::of(action)
    }

    fn of(action: Cow<'static, str>) -> Self {
        Self {
            action,
            tenant: None,
            generation: None,
            subject: None,
            role: None,
            reason: None,
            detail: Map::new(),
        }
    }

    /// What it was done to.
    pub fn about(mut self, tenant: TenantKey) -> Self {
        self.tenant = Some((tenant.id, Some(tenant.uuid)));
        self
    }

    /// The same, of a tenant whose uuid is not known.
    pub(crate) fn about_id(mut self, id: TenantId, uuid: Option<Uuid>) -> Self {
        self.tenant = Some((id, uuid));
        self
    }

    /// Which of the tenant's databases.
    pub fn generation(mut self, generation: u64) -> Self {
        self.generation = Some(generation);
        self
    }

    /// What it belongs to: the id of an operation, a grant, a run of a workflow.
    pub fn subject(mut self, subject: Uuid) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Why, where that differs from the principal's reason.
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// One more detail: a number, a version, a digest. The log is kept for years and no erasure reaches it, so no
    /// personal data: no name, no number of a patient, nothing a row holds.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.detail.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn in_role(mut self, role: &RoleName) -> Self {
        self.role = Some(role.clone());
        self
    }

    /// The details as a JSON object, in the order of their names.
    pub(crate) fn detail(&self) -> String {
        Value::Object(self.detail.clone()).to_string()
    }
}

/// A text that is no action of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an action of the audit log; write two or more lower-case words with `.` between them, such as `patients.export`"
)]
#[non_exhaustive]
pub struct AuditActionError;
