//! What is committed has succeeded, although the cache may not be brought up to it: no descriptor is left, the database is
//! busy, a row cannot be read. Until it is, nobody is let in.
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{NEVER, Reader, Registry, Tenant, Writer};
use crate::backend::Backend;
use crate::catalog::TenantRecord;
use crate::database::Connector;
use crate::error::{CatalogError, OpenError};
use crate::pool::Leaving;

impl<C: Backend> Registry<C> {
    /// Runs a catalogue change and brings the cache up to it. An error says that the change was not made.
    pub(crate) fn change<T>(
        &self,
        f: impl FnOnce(&mut Writer<'_, C>) -> diesel::QueryResult<T>,
    ) -> Result<T, CatalogError> {
        let by = &self.acting;
        let value = self.write(|conn| f(&mut Writer { conn, by }))?;
        let mut leaving = Leaving::none();
        self.catch_up(&mut self.reader.lock(), &mut leaving);
        Ok(value)
    }

    /// The tenant that a change has just put into the catalogue, as this `record`. An error says that it is gone again.
    pub(crate) fn made(&self, record: &TenantRecord) -> Result<Arc<Tenant<C>>, OpenError> {
        let mut leaving = Leaving::none();
        let mut reader = self.reader.lock();
        if !self.catch_up(&mut reader, &mut leaving) && self.tenant_of(record.uuid).is_none() {
            self.apply(vec![record.clone()], &mut leaving);
        }
        drop(reader);
        self.tenant_of(record.uuid)
            .ok_or(OpenError::UnknownTenant { id: record.id })
    }

    /// Reads what has changed. Where that fails the next one who asks reads it.
    fn catch_up(&self, reader: &mut Reader<C>, leaving: &mut Leaving<Connector<C>>) -> bool {
        let read = self.read_on(reader, leaving).is_ok();
        if !read {
            self.checked_at.store(NEVER, Ordering::Relaxed);
        }
        read
    }
}
