//! Who acts, in which role, and why.
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::display_name::misleads;

/// A text that names somebody or says why: not blank, without control and text direction characters.
macro_rules! words {
    ($(#[$doc:meta])* $Name:ident, $Error:ident, $min:literal ..= $max:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $Name(Arc<str>);

        impl $Name {
            /// The fewest characters.
            pub const MIN_LEN: usize = $min;
            /// The most characters.
            pub const MAX_LEN: usize = $max;

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $Name {
            type Err = $Error;

            fn from_str(text: &str) -> Result<Self, $Error> {
                // No further than the longest one reaches: the rest of a text of many megabytes does not matter.
                let len = text.chars().take($max + 1).count();
                if len > $max {
                    return Err($Error::TooLong);
                }
                if text.chars().any(misleads) {
                    return Err($Error::ControlCharacter);
                }
                if text.trim().chars().count() < $min || text.trim().len() != text.len() {
                    return Err($Error::TooShort);
                }
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<&str> for $Name {
            type Error = $Error;

            fn try_from(text: &str) -> Result<Self, $Error> {
                text.parse()
            }
        }

        impl Serialize for $Name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        #[doc = concat!("Why a text is no [`", stringify!($Name), "`]. The text itself is not repeated.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum $Error {
            /// Too short, or with whitespace at its ends.
            #[error("{} is too short or has whitespace at its ends; it needs {} to {} characters", $what, $min, $max)]
            TooShort,
            /// Too long.
            #[error("{} is too long; it may have {} to {} characters", $what, $min, $max)]
            TooLong,
            /// A control, text direction or line end character.
            #[error("{} has a control or text direction character; write plain text on one line", $what)]
            ControlCharacter,
        }
    };
}

words! {
    /// Who acts, in the application's words: 1 to 100 characters on one line.
    ///
    /// Give an opaque id (`user:7f3a…`), not a name or an e-mail address: it is kept in the audit log for years, and no
    /// erasure reaches it there.
    ActorId, ActorIdError, 1..=100, "the actor's id"
}
words! {
    /// Why something is done: 8 to 500 characters on one line. It stands in the audit log and nowhere else: not in
    /// errors, not in logs, not in `Debug`.
    Reason, ReasonError, 8..=500, "the reason"
}
words! {
    /// The name of a role, in the application's words: 1 to 64 characters.
    RoleName, RoleNameError, 1..=64, "the name of a role"
}

impl fmt::Debug for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ActorId").field(&self.as_str()).finish()
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Says that there is one, not what it is.
impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reason(…)")
    }
}

impl fmt::Debug for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RoleName").field(&self.as_str()).finish()
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What somebody is to one tenant, as [`Membership`](crate::access::Membership) found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Role {
    name: RoleName,
    privileged: bool,
}

impl Role {
    /// A role of this name.
    ///
    /// # Errors
    /// See [`RoleNameError`].
    pub fn named(name: &str) -> Result<Self, RoleNameError> {
        Ok(Self {
            name: name.parse()?,
            privileged: false,
        })
    }

    /// Says that whoever has it sees more than others do: contexts opened in it are audited at once, whatever the
    /// [policy](crate::audit::AuditPolicy) for ordinary ones, unless that is `Off`.
    #[must_use]
    pub fn privileged(mut self) -> Self {
        self.privileged = true;
        self
    }

    /// Its name.
    pub fn name(&self) -> &RoleName {
        &self.name
    }

    /// Whether it is [`privileged`](Self::privileged).
    pub fn is_privileged(&self) -> bool {
        self.privileged
    }
}

/// What kind of actor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ActorKind {
    /// A person.
    User,
    /// A program with an account of its own.
    Service,
    /// The machinery itself: a timer, a deployment, recovery after a crash.
    System,
}

impl ActorKind {
    const ALL: [Self; 3] = [Self::User, Self::Service, Self::System];

    /// The word for it, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
            Self::System => "system",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who acts, in which role, and why: what the audit log says of it.
///
/// Cheap to clone. Whoever makes one has authenticated the actor; the library believes it.
///
/// # Example
/// ```
/// use diesel_tenants::access::Principal;
///
/// let nurse = Principal::user("user:41".parse()?).with_reason("ward round, ticket 1293".parse()?);
/// assert_eq!(nurse.actor().as_str(), "user:41");
/// // A reason may name a patient, so it is not printed.
/// assert!(!format!("{nurse:?}").contains("1293"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    actor: ActorId,
    kind: ActorKind,
    role: Option<RoleName>,
    reason: Option<Reason>,
}

impl Principal {
    /// A person.
    pub fn user(actor: ActorId) -> Self {
        Self::of(actor, ActorKind::User)
    }

    /// A program with an account of its own.
    pub fn service(actor: ActorId) -> Self {
        Self::of(actor, ActorKind::Service)
    }

    /// The machinery itself.
    pub fn system(actor: ActorId) -> Self {
        Self::of(actor, ActorKind::System)
    }

    fn of(actor: ActorId, kind: ActorKind) -> Self {
        Self {
            actor,
            kind,
            role: None,
            reason: None,
        }
    }

    /// Who it is as long as nobody was named: the user this process runs as. No name of a host or a person.
    pub(crate) fn of_process() -> Self {
        #[cfg(unix)]
        let actor = format!("uid:{}", rustix::process::geteuid().as_raw());
        #[cfg(not(unix))]
        let actor = "process".to_owned();
        Self::system(ActorId(actor.into()))
    }

    /// In which role. It is recorded, not believed: the role that opens a tenant is the one that
    /// [`Membership`](crate::access::Membership) finds.
    #[must_use]
    pub fn with_role(mut self, role: RoleName) -> Self {
        self.role = Some(role);
        self
    }

    /// Why. It stands with everything done in this principal's name.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Who.
    pub fn actor(&self) -> &ActorId {
        &self.actor
    }

    /// What kind of actor.
    pub fn kind(&self) -> ActorKind {
        self.kind
    }

    /// In which role, if that was said.
    pub fn role(&self) -> Option<&RoleName> {
        self.role.as_ref()
    }

    /// Why, if that was said.
    pub fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bounded_and_plain() {
        assert!("user:1".parse::<ActorId>().is_ok());
        assert!("x".repeat(100).parse::<ActorId>().is_ok());
        assert_eq!(
            "é".repeat(101).parse::<ActorId>(),
            Err(ActorIdError::TooLong)
        );
        for blank in ["", " ", " a", "a "] {
            assert_eq!(blank.parse::<ActorId>(), Err(ActorIdError::TooShort));
        }
        for sly in ["a\nb", "a\0b", "a\u{202e}b", "a\u{2028}b"] {
            assert_eq!(sly.parse::<ActorId>(), Err(ActorIdError::ControlCharacter));
        }
        assert_eq!("because".parse::<Reason>(), Err(ReasonError::TooShort));
        assert_eq!("        ".parse::<Reason>(), Err(ReasonError::TooShort));
        assert!(
            "patient unconscious in the emergency room"
                .parse::<Reason>()
                .is_ok()
        );
        assert_eq!("x".repeat(501).parse::<Reason>(), Err(ReasonError::TooLong));
        assert_eq!(
            "because".parse::<Reason>().unwrap_err().to_string(),
            "the reason is too short or has whitespace at its ends; it needs 8 to 500 characters"
        );
    }

    #[test]
    fn a_reason_is_not_printed() {
        let principal = Principal::user("user:1".parse().unwrap())
            .with_reason("Jane Roe, unconscious".parse().unwrap());
        assert!(!format!("{principal:?}").contains("Jane"));
    }

    #[test]
    fn without_a_name_it_is_the_user_of_the_process() {
        let principal = Principal::of_process();
        assert_eq!(principal.kind(), ActorKind::System);
        assert!(principal.actor().as_str().starts_with("uid:"));
    }
}
