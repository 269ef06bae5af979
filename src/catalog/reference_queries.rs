//! The catalogue's statements about reference lists. Mounted once per backend, as `queries.rs`.
use std::time::SystemTime;

use diesel::prelude::*;
use diesel::result::Error;
use diesel::upsert::excluded;
use uuid::Uuid;

use super::audit_queries::note;
use super::{Conn, write};
use crate::access::Principal;
use crate::audit::AuditNote;
use crate::catalog::reference::{
    Announced, ReferenceStore, Sighting, reference_lists as lists, reference_tenants as tenants,
};
use crate::catalog::to_millis;

/// Versions and generations are written by this library, from numbers that fit.
fn number(value: i64) -> QueryResult<u64> {
    u64::try_from(value).map_err(|e| Error::DeserializationError(Box::new(e)))
}

impl ReferenceStore for Conn {
    fn reference_announce(
        &mut self,
        name: &str,
        version: u64,
        digest: &[u8; 32],
        by: &Principal,
    ) -> QueryResult<Announced> {
        write(self, |conn| {
            let known = lists::table
                .find((name, version as i64))
                .select(lists::digest)
                .get_result::<Vec<u8>>(conn)
                .optional()?;
            if known.as_ref().is_some_and(|known| known != digest) {
                return Ok(Announced::ContentChanged);
            }
            if let Some(newest) = conn.reference_newest(name)?
                && newest > version
            {
                return Ok(Announced::Older { newest });
            }
            if known.is_none() {
                diesel::insert_into(lists::table)
                    .values((
                        lists::name.eq(name),
                        lists::version.eq(version as i64),
                        lists::digest.eq(digest.as_slice()),
                        lists::announced_at.eq(to_millis(SystemTime::now())),
                    ))
                    .execute(conn)?;
                let announced = AuditNote::of_library("reference.announce")
                    .with("list", name)
                    .with("version", version);
                note(conn, by, &announced)?;
            }
            Ok(Announced::Done)
        })
    }

    fn reference_newest(&mut self, name: &str) -> QueryResult<Option<u64>> {
        lists::table
            .filter(lists::name.eq(name))
            .select(diesel::dsl::max(lists::version))
            .get_result::<Option<i64>>(self)?
            .map(number)
            .transpose()
    }

    fn reference_lists(&mut self) -> QueryResult<Vec<(String, u64)>> {
        let newest = lists::table
            .group_by(lists::name)
            .select((lists::name, diesel::dsl::max(lists::version)))
            .order(lists::name)
            .load::<(String, Option<i64>)>(self)?;
        let read =
            |(name, version): (String, Option<i64>)| Ok((name, number(version.unwrap_or(0))?));
        newest.into_iter().map(read).collect()
    }

    fn reference_sightings(&mut self, name: &str) -> QueryResult<Vec<Sighting>> {
        let rows = tenants::table
            .filter(tenants::name.eq(name))
            .select((
                tenants::tenant_uuid,
                tenants::generation,
                tenants::version,
                tenants::applied_at,
            ))
            .load::<(Vec<u8>, i64, i64, i64)>(self)?;
        let read = |(uuid, generation, version, applied_at): (Vec<u8>, i64, i64, i64)| {
            let tenant = Uuid::from_slice(&uuid);
            Ok(Sighting {
                tenant: tenant.map_err(|e| Error::DeserializationError(Box::new(e)))?,
                generation: number(generation)?,
                version: number(version)?,
                applied_at,
            })
        };
        rows.into_iter().map(read).collect()
    }

    fn reference_seen_in(
        &mut self,
        tenant: Uuid,
        generation: u64,
    ) -> QueryResult<Vec<(String, u64)>> {
        let rows = tenants::table
            .filter(tenants::tenant_uuid.eq(tenant.as_bytes().as_slice()))
            .filter(tenants::generation.eq(generation as i64))
            .order(tenants::name)
            .select((tenants::name, tenants::version))
            .load::<(String, i64)>(self)?;
        let read = |(name, version)| Ok((name, number(version)?));
        rows.into_iter().map(read).collect()
    }

    fn reference_note(&mut self, name: &str, seen: &[Sighting]) -> QueryResult<()> {
        write(self, |conn| {
            for one in seen {
                let (generation, version) = (one.generation as i64, one.version as i64);
                // Two processes that push at once take down what they saw in any order.
                let is_older = tenants::generation.lt(generation).or(tenants::generation
                    .eq(generation)
                    .and(tenants::version.lt(version)));
                let upsert = diesel::insert_into(tenants::table)
                    .values((
                        tenants::tenant_uuid.eq(one.tenant.as_bytes().as_slice()),
                        tenants::name.eq(name),
                        tenants::generation.eq(generation),
                        tenants::version.eq(version),
                        tenants::applied_at.eq(one.applied_at),
                    ))
                    .on_conflict((tenants::name, tenants::tenant_uuid))
                    .do_update()
                    .set((
                        tenants::generation.eq(excluded(tenants::generation)),
                        tenants::version.eq(excluded(tenants::version)),
                        tenants::applied_at.eq(excluded(tenants::applied_at)),
                    ));
                diesel::query_dsl::methods::FilterDsl::filter(upsert, is_older).execute(conn)?;
            }
            Ok(())
        })
    }
}
