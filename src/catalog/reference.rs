//! What the catalogue knows of reference lists: which versions there are, and which tenant was last seen at which.
use diesel::result::QueryResult;
use uuid::Uuid;

use crate::access::Principal;

/// What became of an attempt to make a version the one that is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub enum Announced {
    Done,
    /// A newer one has been pushed already.
    Older {
        newest: u64,
    },
    /// This version has been pushed with another content.
    ContentChanged,
}

/// What was last seen of a list in a tenant's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct Sighting {
    pub tenant: Uuid,
    /// The database it was seen in: another one may be older.
    pub generation: u64,
    pub version: u64,
    /// Unix milliseconds.
    pub applied_at: i64,
}

/// What the engine asks of the catalogue about reference lists. Each method is one transaction. Implemented by this crate
/// only.
#[doc(hidden)]
pub trait ReferenceStore {
    /// Writes a version down, before any tenant gets it.
    fn reference_announce(
        &mut self,
        name: &str,
        version: u64,
        digest: &[u8; 32],
        by: &Principal,
    ) -> QueryResult<Announced>;
    /// The newest version of a list, if it was ever pushed.
    fn reference_newest(&mut self, name: &str) -> QueryResult<Option<u64>>;
    /// All lists with their newest versions, by name.
    fn reference_lists(&mut self) -> QueryResult<Vec<(String, u64)>>;
    fn reference_sightings(&mut self, name: &str) -> QueryResult<Vec<Sighting>>;
    /// What was seen in one database of a tenant: the lists with their versions, by name.
    fn reference_seen_in(
        &mut self,
        tenant: Uuid,
        generation: u64,
    ) -> QueryResult<Vec<(String, u64)>>;
    /// Takes sightings down. One that is older than what is known changes nothing.
    fn reference_note(&mut self, name: &str, seen: &[Sighting]) -> QueryResult<()>;
}

diesel::table! {
    #[sql_name = "__tenants_reference_lists"]
    reference_lists (name, version) {
        name -> Text,
        version -> BigInt,
        digest -> Binary,
        announced_at -> BigInt,
    }
}
diesel::table! {
    #[sql_name = "__tenants_reference_tenants"]
    reference_tenants (name, tenant_uuid) {
        tenant_uuid -> Binary,
        name -> Text,
        generation -> BigInt,
        version -> BigInt,
        applied_at -> BigInt,
    }
}
