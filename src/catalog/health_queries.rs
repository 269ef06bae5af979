//! The statements on kept verifications. Mounted once per backend, whose module above names `Conn` and `write`.
use diesel::prelude::*;
use uuid::Uuid;

use super::audit_queries::note;
use super::{Conn, write};
use crate::access::Principal;
use crate::audit::AuditNote;
use crate::catalog::health::{HealthRecord, HealthStore, NewHealth, health};
use crate::catalog::{from_millis, tenants, to_millis};
use crate::error::in_own_words;
use crate::verify::Health;

#[derive(Queryable, Insertable)]
#[diesel(table_name = health)]
struct HealthRow {
    tenant_uuid: Vec<u8>,
    generation: i64,
    status: String,
    findings: String,
    checked_at: i64,
}

#[derive(Debug, thiserror::Error)]
#[error("the catalogue names a health this build does not know; verify the tenant again")]
struct UnknownHealth;

fn unreadable(what: impl std::error::Error + Send + Sync + 'static) -> diesel::result::Error {
    diesel::result::Error::DeserializationError(Box::new(what))
}

impl HealthRow {
    fn read(self) -> QueryResult<(Uuid, HealthRecord)> {
        let record = HealthRecord {
            status: Health::parse(&self.status).ok_or_else(|| in_own_words(UnknownHealth))?,
            findings: serde_json::from_str(&self.findings).map_err(unreadable)?,
            generation: u64::try_from(self.generation).map_err(unreadable)?,
            checked_at: from_millis(self.checked_at),
        };
        Ok((
            Uuid::from_slice(&self.tenant_uuid).map_err(unreadable)?,
            record,
        ))
    }

    fn write(new: &NewHealth) -> QueryResult<Self> {
        let record = &new.record;
        let findings = serde_json::to_string(&record.findings);
        Ok(Self {
            tenant_uuid: new.tenant.as_bytes().to_vec(),
            generation: record.generation as i64,
            status: record.status.as_str().to_owned(),
            findings: findings
                .map_err(|e| diesel::result::Error::SerializationError(Box::new(e)))?,
            checked_at: to_millis(record.checked_at),
        })
    }
}

fn put(conn: &mut Conn, new: &NewHealth) -> QueryResult<()> {
    // One that was forgotten meanwhile must not fail the others.
    let known = tenants::table.find(new.tenant.as_bytes().as_slice());
    if !diesel::select(diesel::dsl::exists(known)).get_result::<bool>(conn)? {
        return Ok(());
    }
    diesel::replace_into(health::table)
        .values(HealthRow::write(new)?)
        .execute(conn)
        .map(drop)
}

impl HealthStore for Conn {
    fn health_put(&mut self, all: &[NewHealth]) -> QueryResult<()> {
        write(self, |conn| all.iter().try_for_each(|new| put(conn, new)))
    }

    fn health_enter(
        &mut self,
        new: NewHealth,
        entry: &AuditNote,
        by: &Principal,
    ) -> QueryResult<()> {
        write(self, |conn| {
            note(conn, by, entry)?;
            put(conn, &new)
        })
    }

    fn health_of(&mut self, tenant: Uuid) -> QueryResult<Option<HealthRecord>> {
        let row = health::table
            .find(tenant.as_bytes().as_slice())
            .get_result::<HealthRow>(self)
            .optional()?;
        Ok(row
            .map(HealthRow::read)
            .transpose()?
            .map(|(_, record)| record))
    }

    fn health_of_all(&mut self) -> QueryResult<Vec<(Uuid, HealthRecord)>> {
        let rows = health::table.load::<HealthRow>(self)?;
        rows.into_iter().map(HealthRow::read).collect()
    }
}
