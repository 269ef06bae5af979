//! The tables, one module for each database.
//!
//! Tables of one database may appear in one query. No table of the one is declared together with a table of the other, so
//! Diesel refuses to compile a query over both. What a column holds is said at the field of the row of the same name.
#![expect(
    missing_docs,
    reason = "`table!` declares a type for each column; the fields of the rows have the documentation"
)]

pub mod shared;
pub mod tenant;
