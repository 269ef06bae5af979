//! What is to be entered into the audit log.
use std::borrow::Cow;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::access::{Reason, RoleName};
use crate::backend::TenantKey;
use crate::tenant_id::TenantId;

/// That retention took the oldest entries away.
pub(crate) const PRUNE: &str = "audit.prune";

/// What the actions of this project's services and of its console begin with. They are in no list of the engine's, since
/// it knows neither.
const OF_SISTERS: [&str; 2] = ["account", "console"];

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
    /// them (`patients.export`); at most 64 characters. The first is none that the library's [own](super::ACTIONS) begin
    /// with, nor `account` or `console`, as those of its services and its console do: nobody enters a purge that was none, or
    /// a right that nobody was given.
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
        if !is_action {
            return Err(AuditActionError::Malformed);
        }
        let mut ours = super::ACTIONS
            .iter()
            .filter_map(|(ours, _)| ours.split('.').next())
            .chain(OF_SISTERS);
        match ours.find(|word| action.split('.').next() == Some(word)) {
            Some(word) => Err(AuditActionError::Reserved { word }),
            None => Ok(Self::of(action.into())),
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

    /// An action of this project's services (`account.…`) or of its console (`console.…`), for them alone.
    #[doc(hidden)]
    pub fn of_sister(action: &'static str) -> Self {
        let word = action.split('.').next();
        debug_assert!(
            word.is_some_and(|word| OF_SISTERS.contains(&word)),
            "`{action}` does not begin as those of the services and the console do"
        );
        Self::of(action.into())
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

/// A text that is no action of an application's in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditActionError {
    /// It is no words with dots between them.
    #[error(
        "not an action of the audit log; write two or more lower-case words with `.` between them, such as `patients.export`"
    )]
    Malformed,
    /// It begins as the library's own do.
    #[error(
        "actions that begin with `{word}.` are entered by this library alone; begin with another word"
    )]
    Reserved {
        /// The first word.
        word: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_enters_what_only_the_library_does() {
        for (action, _) in super::super::ACTIONS {
            let (word, _) = action.split_once('.').unwrap();
            for forged in [(*action).to_owned(), format!("{word}.anything")] {
                let refused = AuditNote::new(forged).unwrap_err();
                assert_eq!(refused, AuditActionError::Reserved { word });
            }
        }
        for (word, forged) in [
            ("account", "account.superuser"),
            ("console", "console.log-in"),
        ] {
            let refused = AuditNote::new(forged).unwrap_err();
            assert_eq!(refused, AuditActionError::Reserved { word });
        }
        let _ours = AuditNote::new("purges.asked").unwrap();
        let _ours = AuditNote::new("accounts.closed").unwrap();
        let malformed = AuditNote::new("purge").unwrap_err();
        assert_eq!(malformed, AuditActionError::Malformed);
    }
}
