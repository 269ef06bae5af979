//! The escape hatch.
use std::fmt;

use super::private::{Sealed, Token};
use super::session::Session;
use super::{Context, WriteContext};
use crate::backend::{Backend, DefaultConnection};
use crate::scope::Admits;

/// A context without the routing table: everything is admitted. See [`TenantContext::unrouted`](super::TenantContext::unrouted).
pub struct Unrouted<'a, C: Backend = DefaultConnection> {
    pub(super) session: &'a mut Session<C>,
    pub(super) reason: &'a str,
}

impl<C: Backend> Unrouted<'_, C> {
    /// The bare Diesel connection, to run what has no other way.
    ///
    /// It has to stay where it is. It is a `&mut` of an owned connection, so the compiler lets another one be put in its
    /// place (`mem::swap`, `mem::replace`), and nothing that this library promises holds for the one that is carried out.
    /// When the closure has ended, the database is asked once whose it is: a context that is found on another database than
    /// its own is unusable from then on ([`ContextPoisoned`](crate::error::ContextPoisoned)). Two connections of the same
    /// database that were exchanged are not found.
    pub fn connection(&mut self) -> &mut C {
        self.session.given_out = true;
        self.session.checkout.conn_mut()
    }

    /// The reason it was asked for with.
    pub fn reason(&self) -> &str {
        self.reason
    }
}
impl<C: Backend, Q> Admits<Q> for Unrouted<'_, C> {
    fn admits(_: Token) {}
}
impl<C: Backend> Sealed for Unrouted<'_, C> {}
impl<C: Backend> WriteContext for Unrouted<'_, C> {}
impl<C: Backend> Context for Unrouted<'_, C> {
    type Conn = C;
    fn session(&mut self, _: Token) -> &mut Session<C> {
        self.session
    }
}
impl<C: Backend> fmt::Debug for Unrouted<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.debug(f, "Unrouted")
    }
}

impl<C: Backend> Session<C> {
    /// Whether the connection, if it was given out, leads to another database than before. One that cannot be asked is no
    /// longer relied on.
    pub(super) fn is_replaced(&mut self) -> bool {
        if !std::mem::take(&mut self.given_out) {
            return false;
        }
        let conn = self.checkout.conn_mut();
        match self.database.is_led_to_by(conn, self.generation) {
            Ok(here) => !here,
            Err(_) => {
                self.poison(crate::error::PoisonCause::Replaced);
                false
            }
        }
    }
}
