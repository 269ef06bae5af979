//! What was proved.
use std::fmt;

use crate::tenant_id::TenantId;

/// What [`IsolationProver::run`](super::IsolationProver::run) has done. Prints as a few lines for people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IsolationReport {
    /// The tenants canaries were written for.
    pub tenants: Vec<TenantId>,
    /// The routed tables canaries were written to, in the order of the routing table.
    pub tables: Vec<&'static str>,
    /// The routed tables that are exempt, and why.
    pub exempt: Vec<(&'static str, String)>,
    /// The canaries written, each found where it was written and nowhere else.
    pub canaries: usize,
    /// The databases searched: the shared one and every active tenant's.
    pub databases: usize,
    /// The columns searched, summed over the databases.
    pub columns: usize,
    /// The values searched, those that are `NULL` left out.
    pub values: u64,
}

impl fmt::Display for IsolationReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} canaries of {} tables and {} tenants, each where it was written and nowhere else",
            self.canaries,
            self.tables.len(),
            self.tenants.len(),
        )?;
        writeln!(
            f,
            "searched: {} databases, {} columns, {} values",
            self.databases, self.columns, self.values
        )?;
        for (table, reason) in &self.exempt {
            writeln!(f, "exempt: {table}: {reason}")?;
        }
        Ok(())
    }
}
