//! Which version of a list a tenant's database has, written in that database: in the transaction that brings the rows, so
//! that neither is there without the other.
use diesel::result::QueryResult;

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[doc(hidden)]
pub struct LedgerEntry {
    pub version: u64,
    /// SHA-256 of the content.
    pub digest: Vec<u8>,
    /// Unix milliseconds.
    pub applied_at: i64,
}

/// The ledger's statements. Implemented by this crate only.
#[doc(hidden)]
pub trait ReferenceLedger {
    /// The entry of a list; `None` where there is none, or no ledger.
    fn read_reference(&mut self, name: &str) -> QueryResult<Option<LedgerEntry>>;
    /// Makes the ledger if it is not there, and `entry` the one entry of the list.
    fn write_reference(&mut self, name: &str, entry: &LedgerEntry) -> QueryResult<()>;
}

diesel::table! {
    #[sql_name = "__tenants_reference"]
    ledger (name) {
        name -> Text,
        version -> BigInt,
        digest -> Binary,
        applied_at -> BigInt,
    }
}
