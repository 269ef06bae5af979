//! What an export says of itself.
use serde::{Deserialize, Serialize};

/// The newest format of exports this build writes and reads.
pub(crate) const FORMAT: u32 = 1;

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const SCHEMA: &str = "schema.sql";
pub(crate) const SUMS: &str = "SHA256SUMS";
pub(crate) const SQLITE: &str = "tenant.sqlite3";
pub(crate) const TABLES: &str = "tables";

/// How the rows of an export are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ExportFormat {
    /// A file for each table, a JSON object a line: for people and for programs in any language.
    Ndjson,
    /// One SQLite database, without anything of this library's in it: for whoever has SQLite.
    Sqlite,
}

/// A table of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExportedTable {
    /// Its name.
    pub name: String,
    /// Its columns, in order, without generated ones.
    pub columns: Vec<String>,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of its rows as lines, in hexadecimal digits.
    pub sha256: String,
    /// The last number it gave out, for a table that never gives one twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: u32,
    pub(crate) layout: ExportFormat,
    pub(crate) tenant: String,
    pub(crate) display_name: String,
    pub(crate) schema_version: Option<String>,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) exported_at: u64,
    pub(crate) tables: Vec<ExportedTable>,
    pub(crate) left_out: Vec<String>,
}

impl Manifest {
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("texts and numbers are JSON");
        json.push(b'\n');
        json
    }
}

/// The file of a table. Made from its name and its place in the list, on both sides: a name that an export gives is
/// never taken for a path.
pub(crate) fn file_of(table: &str, number: usize) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match !table.is_empty() && table.len() <= 100 && table.bytes().all(plain) {
        true => format!("{TABLES}/{table}.ndjson"),
        false => format!("{TABLES}/-{number}.ndjson"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        assert_eq!(file_of("patients", 0), "tables/patients.ndjson");
        for name in [
            "",
            "..",
            "../x",
            "/etc/passwd",
            "a/b",
            "a\0b",
            "a\\b",
            "ä",
            "a.b",
            &"x".repeat(300),
        ] {
            assert_eq!(file_of(name, 7), "tables/-7.ndjson", "{name:?}");
        }
    }
}
