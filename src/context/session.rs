//! What stands behind every context: one checked-out connection, and whether it may still be used.
use std::fmt;
use std::sync::Arc;

use diesel::result::{Error, QueryResult};

use super::transaction::Begun;
use crate::access::Principal;
use crate::backend::{Backend, Symptom};
use crate::database::{Connector, Database};
use crate::error::{
    ContextPoisoned, PoisonCause, ReadOnlyTransaction, StaleGeneration, TenantFenced,
};
use crate::pool::Checkout;

/// One checked-out connection and what is known of it. Not re-exported: it stands in [`Context`](super::Context) only.
#[doc(hidden)]
pub struct Session<C: Backend> {
    pub(super) checkout: Checkout<Connector<C>>,
    pub(super) database: Arc<Database<C>>,
    /// The generation the connection was opened on.
    pub(super) generation: u64,
    /// Why nothing may be acknowledged any more, if so.
    poisoned: Option<PoisonCause>,
    /// Inside [`TenantContext::read_transaction`](super::TenantContext::read_transaction).
    pub(super) read_only: bool,
    /// The innermost transaction of this context that is open.
    pub(super) transaction: Option<Arc<Begun>>,
    /// A statement failed since the last look at the transaction, or may have: a full disk, for one, ends the whole
    /// transaction, and what follows would be committed statement by statement.
    pub(super) in_doubt: bool,
    /// The database was found fenced: another process makes the next one.
    fenced: bool,
    /// A [`RowIter`](super::RowIter) is there, or was leaked: its statement holds a snapshot, and goes on from where it
    /// stands when the same query is run again.
    rows_open: bool,
    /// The bare connection was given out, and may be another one since.
    pub(super) given_out: bool,
    /// Who is named in the audit log for what is entered through it.
    pub(super) acting: Option<Arc<Principal>>,
}

impl<C: Backend> Session<C> {
    pub(super) fn new(
        database: Arc<Database<C>>,
        checkout: Checkout<Connector<C>>,
        generation: u64,
        acting: Option<Arc<Principal>>,
    ) -> Self {
        Self {
            checkout,
            database,
            generation,
            poisoned: None,
            read_only: false,
            transaction: None,
            in_doubt: false,
            fenced: false,
            rows_open: false,
            given_out: false,
            acting,
        }
    }

    /// The connection, if it may still be used, and the database it belongs to, which explains its errors.
    pub(super) fn parts(&mut self) -> QueryResult<(&mut C, Explain<'_, C>)> {
        if std::mem::take(&mut self.in_doubt)
            && self.transaction.is_some()
            && !self.checkout.conn_mut().is_in_transaction()
        {
            self.poison(PoisonCause::CutShort);
        }
        self.check()?;
        let now = self.database.generation();
        if now != self.generation {
            return Err(StaleGeneration {
                tenant: self.database.tenant_id(),
                opened_on: self.generation,
                now,
            }
            .into());
        }
        let explain = Explain {
            database: &self.database,
            read_only: self.read_only,
            fenced: &mut self.fenced,
            in_doubt: &mut self.in_doubt,
            rows_open: &mut self.rows_open,
        };
        Ok((self.checkout.conn_mut(), explain))
    }

    /// The same, for the library's own statements, which are made within a transaction only. Where none is open, whoever
    /// was called in it has put another context in the place of the one it was begun on.
    pub(super) fn own_parts(&mut self) -> QueryResult<(&mut C, Explain<'_, C>)> {
        if self.transaction.is_none() {
            self.poison(PoisonCause::Exchanged);
        }
        self.parts()
    }

    /// Refuses what may not be relied on, whatever transaction is open.
    pub(super) fn check(&mut self) -> QueryResult<()> {
        if self.rows_open {
            self.poison(PoisonCause::RowsLeaked);
        }
        if self
            .transaction
            .as_ref()
            .is_some_and(|begun| begun.is_lost())
        {
            self.poison(PoisonCause::Exchanged);
        }
        match self.poisoned {
            Some(cause) => Err(ContextPoisoned { cause }.into()),
            None => Ok(()),
        }
    }

    /// Nothing is acknowledged from here on, and the connection is closed in the end. The first cause is the one that is
    /// told.
    pub(super) fn poison(&mut self, cause: PoisonCause) {
        self.poisoned.get_or_insert(cause);
        self.checkout.taint();
    }

    pub(super) fn debug(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let mut out = f.debug_struct(name);
        if let Some(id) = self.database.tenant_id() {
            out.field("tenant", &format_args!("{id}"));
            out.field("generation", &self.generation);
        }
        out.finish_non_exhaustive()
    }
}

impl<C: Backend> Drop for Session<C> {
    fn drop(&mut self) {
        // Pooled, a fenced one would be handed to whoever follows the error's advice and opens a new context; one with
        // rows open gives the next one what is left of them; one in a transaction, its settings.
        if self.fenced || self.rows_open || self.transaction.is_some() {
            self.checkout.taint();
        }
    }
}

/// Says what the errors of a statement mean, and remembers that there was one.
pub(super) struct Explain<'a, C: Backend> {
    database: &'a Database<C>,
    read_only: bool,
    fenced: &'a mut bool,
    pub(super) in_doubt: &'a mut bool,
    pub(super) rows_open: &'a mut bool,
}

impl<C: Backend> Explain<'_, C> {
    pub(super) fn explain(&mut self, error: Error) -> Error {
        *self.in_doubt |= !matches!(error, Error::NotFound);
        if self.read_only && C::symptom(&error) == Some(Symptom::ReadOnly) {
            return ReadOnlyTransaction.into();
        }
        let error = self.database.explain(error);
        *self.fenced |= TenantFenced::of(&error).is_some();
        error
    }
}
