//! A context that reads by type: what writes does not compile on it.
use std::fmt;

use diesel::result::Error;
use uuid::Uuid;

use super::private::{Sealed, Token};
use super::session::Session;
use super::transaction::{Mode, transact};
use super::{Context, TenantContext};
use crate::backend::{Backend, DefaultConnection};
use crate::scope::{Admits, Reads, Tenant};
use crate::tenant_id::TenantId;

/// One unchanging snapshot of a tenant's database, without the right to write.
///
/// Given to the closures of [`TenantContext::read`], [`Tenancy::for_each_tenant`](crate::Tenancy::for_each_tenant) and
/// [`Tenancy::aggregate`](crate::Tenancy::aggregate). Runs queries ([`Reads`]) on [`Tenant`] tables with Diesel's own methods
/// ([`RunQueryDsl`](crate::RunQueryDsl)); a statement that writes does not compile. Where only the database can see it (a
/// `dsl::sql` fragment) the database refuses it, since the connection is told to take no writes meanwhile.
///
/// A function that reads and takes a `&mut ReadContext` serves all three callers.
///
/// # Example
/// ```
/// # use diesel_tenants::prelude::*;
/// # mod schema { diesel::table! { patients { id -> Integer, ward -> Text, } } }
/// # use schema::patients;
/// # routes! { static ROUTES; shared {} tenant { patients { schema::patients } } }
/// fn in_ward(ctx: &mut ReadContext, ward: &str) -> QueryResult<i64> {
///     patients::table.filter(patients::ward.eq(ward)).count().get_result(ctx)
/// }
///
/// fn report(ctx: &mut TenantContext) -> QueryResult<(i64, i64)> {
///     // Both numbers are of one moment.
///     ctx.read(|ctx| Ok((in_ward(ctx, "A")?, in_ward(ctx, "B")?)))
/// }
/// ```
pub struct ReadContext<'a, C: Backend = DefaultConnection> {
    session: &'a mut Session<C>,
}

impl<C: Backend> TenantContext<C> {
    /// Runs `f` on one unchanging snapshot of the database, on a context that only reads.
    ///
    /// As [`read_transaction`](Self::read_transaction), with the compiler's word on top of the database's: a statement that
    /// writes does not compile.
    ///
    /// # Errors
    /// What `f` returns, or Diesel's error of `BEGIN` or `COMMIT`.
    pub fn read<T, E>(
        &mut self,
        f: impl FnOnce(&mut ReadContext<'_, C>) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<Error>,
    {
        transact(self, Mode::Read, |ctx| {
            f(&mut ReadContext {
                session: &mut ctx.0,
            })
        })
    }
}

impl<C: Backend> ReadContext<'_, C> {
    /// The tenant's id, as it was created.
    pub fn tenant_id(&self) -> TenantId {
        let id = self.session.database.tenant_id();
        id.expect("a ReadContext is made of a TenantContext only")
    }

    /// The uuid that names the tenant in paths and in the catalogue. Never used again, even if the id is.
    pub fn tenant_uuid(&self) -> Uuid {
        let uuid = self.session.database.tenant_uuid();
        uuid.expect("a ReadContext is made of a TenantContext only")
    }

    /// Which physical database of the tenant this is: restoring makes the next one.
    pub fn generation(&self) -> u64 {
        self.session.generation
    }
}

impl<C: Backend, Q: Tenant + Reads> Admits<Q> for ReadContext<'_, C> {
    fn admits(_: Token) {}
}
impl<C: Backend> Sealed for ReadContext<'_, C> {}
impl<C: Backend> Context for ReadContext<'_, C> {
    type Conn = C;
    fn session(&mut self, _: Token) -> &mut Session<C> {
        self.session
    }
}
/// Says which database it is on; holds no data.
impl<C: Backend> fmt::Debug for ReadContext<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.session.debug(f, "ReadContext")
    }
}
