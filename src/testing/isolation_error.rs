//! Why isolation is not proved.
use std::error::Error as StdError;
use std::fmt;

use crate::error::CreateError;
use crate::scope::ScopeKind;
use crate::tenant_id::TenantId;

/// A database a canary was written for, or was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The shared database.
    Shared,
    /// A tenant's database.
    Tenant(TenantId),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shared => f.write_str("the shared database"),
            Self::Tenant(id) => write!(f, "tenant `{id}`"),
        }
    }
}

/// A canary that was found where it does not belong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leak {
    /// The text.
    pub canary: String,
    /// The table it was written for.
    pub table: &'static str,
    /// The database it was written for.
    pub written_by: Place,
    /// The database it was found in.
    pub found_in: Place,
    /// The table it was found in.
    pub found_table: String,
    /// The column it was found in.
    pub found_column: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            canary,
            table,
            written_by,
            found_in,
            found_table,
            found_column,
        } = self;
        write!(
            f,
            "`{canary}`, written to `{table}` of {written_by}, is in `{found_table}.{found_column}` of {found_in}"
        )
    }
}

/// Why [`IsolationProver::run`](super::IsolationProver::run) failed. Names tables, tenants and canaries, and nothing
/// else that a database holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IsolationError {
    /// A canary is where it does not belong: another tenant's database, the shared one, or another table.
    #[error("{} {}{}", count(leaks.len()), leaks[0], more(leaks.len()))]
    Leak {
        /// All of them, never none; those in another database come first.
        leaks: Vec<Leak>,
    },
    /// A canary is not where it should be: its closure wrote nothing, or something else.
    #[error(
        "`{canary}` is not in `{table}` of {place} after its closure returned `Ok`; let it insert a row with this text"
    )]
    NotWritten {
        /// The text.
        canary: String,
        /// The table.
        table: &'static str,
        /// The database.
        place: Place,
    },
    /// Routed tables that nothing is known of.
    #[error("routed tables without a canary: {}; give each one a canary, or an exemption with a reason", tables.join(", "))]
    Uncovered {
        /// Their names.
        tables: Vec<&'static str>,
    },
    /// A canary for a table that the routing table does not have.
    #[error(
        "`{table}` has a canary and is not routed; take it out, or list the table in `routes!`"
    )]
    NotRouted {
        /// The table.
        table: String,
    },
    /// A canary for a table of the other scope.
    #[error("`{table}` is a {scope} table; give its canary with `{scope}_canary`")]
    WrongScope {
        /// The table.
        table: &'static str,
        /// Its scope.
        scope: ScopeKind,
    },
    /// Two canaries, or two exemptions, for one table.
    #[error("`{table}` is given twice; keep one")]
    Repeated {
        /// The table.
        table: &'static str,
    },
    /// An exemption, or a copy, without a reason.
    #[error("the exemption or copy of `{table}` has no reason; say why it is needed")]
    NoReason {
        /// The table.
        table: String,
    },
    /// An exemption for a table that the routing table does not have.
    #[error("`{table}` is exempt and is not routed (any more); take the exemption out")]
    StaleExemption {
        /// The table.
        table: String,
    },
    /// An exemption for a table that also has a canary.
    #[error("`{table}` is exempt and has a canary; take the exemption out")]
    NeedlessExemption {
        /// The table.
        table: &'static str,
    },
    /// A declared copy that was not found.
    #[error("no canary of `{table}` was found in `{copy}`; take the copy out")]
    StaleCopy {
        /// The table.
        table: String,
        /// Where copies of it should have been.
        copy: String,
    },
    /// No tenant table has a canary, so there is nothing that could leak.
    #[error(
        "no tenant table has a canary, so nothing is proved; give `tenant_canary` at least one"
    )]
    NothingToProve,
    /// Too few tenants, or one of them twice.
    #[error(
        "{given} different tenants are given, at least {least} are needed; a pair that is mixed up may look right"
    )]
    TooFewTenants {
        /// How many different ones.
        given: usize,
        /// How many there must be.
        least: usize,
    },
    /// A tenant for the proof could not be created.
    #[error("tenant `{id}` cannot be created for the proof")]
    Create {
        /// The tenant.
        id: TenantId,
        /// The reason.
        #[source]
        source: Box<CreateError>,
    },
    /// No context was opened, by the application's way or by the library's.
    #[error("no context was opened on {place}")]
    Open {
        /// The database asked for.
        place: Place,
        /// The reason.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A closure could not write its canary.
    #[error("the canary of `{table}` of {place} cannot be written")]
    Write {
        /// The table.
        table: &'static str,
        /// The database.
        place: Place,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
    /// A database could not be searched.
    #[error("{place} cannot be searched for canaries")]
    Query {
        /// The database.
        place: Place,
        /// Diesel's error.
        #[source]
        source: diesel::result::Error,
    },
}

fn count(leaks: usize) -> &'static str {
    match leaks {
        1 => "a row is where it does not belong:",
        _ => "rows are where they do not belong:",
    }
}

fn more(leaks: usize) -> String {
    match leaks {
        1 => String::new(),
        _ => format!(" (and {} more)", leaks - 1),
    }
}
