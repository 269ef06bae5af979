//! Rows that are read one by one.
use std::fmt;

use diesel::result::QueryResult;

use super::session::Explain;
use crate::backend::{Backend, DefaultConnection};

/// Rows read one by one, which is what [`RunQueryDsl::load_iter`](crate::RunQueryDsl::load_iter) gives.
///
/// An iterator of `QueryResult<U>`, whose errors mean what they mean on any other query. The query is over when it is
/// dropped. One that is leaked ([`std::mem::forget`]) stays open: the context refuses the next statement with
/// [`ContextPoisoned`](crate::error::ContextPoisoned), and its connection is closed instead of being used again.
/// Where the query's text depends on its values (`eq_any`, a `dsl::sql` fragment), its rows own it: then SQLite cannot close the
/// connection, Diesel panics when the context is dropped, and the descriptors stay open until the process ends.
pub struct RowIter<'conn, I, C: Backend = DefaultConnection> {
    // The order of the fields is the order of their drops.
    rows: I,
    open: Open<'conn, C>,
}

/// Set in the session for as long as its rows are there. What is leaked stays set.
struct Open<'conn, C: Backend>(Explain<'conn, C>);

impl<C: Backend> Drop for Open<'_, C> {
    fn drop(&mut self) {
        *self.0.rows_open = false;
    }
}

impl<'conn, I, C: Backend> RowIter<'conn, I, C> {
    pub(super) fn new(rows: I, explain: Explain<'conn, C>) -> Self {
        *explain.rows_open = true;
        Self {
            rows,
            open: Open(explain),
        }
    }
}

impl<U, I: Iterator<Item = QueryResult<U>>, C: Backend> Iterator for RowIter<'_, I, C> {
    type Item = QueryResult<U>;

    fn next(&mut self) -> Option<QueryResult<U>> {
        let row = self.rows.next()?;
        Some(row.map_err(|error| self.open.0.explain(error)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

/// Holds no data.
impl<I, C: Backend> fmt::Debug for RowIter<'_, I, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowIter").finish_non_exhaustive()
    }
}
