//! The catalogue's statements about tenants that have no database yet. Mounted once per backend, beside `queries.rs`.
use diesel::prelude::*;
use uuid::Uuid;

use super::audit_queries::note;
use super::queries::{
    OperationRow, about, close_quietly, idle_tenant, insert_names, newest_number, next_seq, now,
    set_status, subdomain_owner, tenant,
};
use super::{Conn, write};
use crate::access::Principal;
use crate::catalog::{
    Changed, Completing, Completion, Inserted, Operation, OperationKind, Status, TenantRecord,
    operations, tenants,
};

pub(super) fn reserve(
    conn: &mut Conn,
    record: &TenantRecord,
    reuse_id: bool,
    by: &Principal,
) -> QueryResult<Inserted> {
    write(conn, |conn| {
        let retired = match insert_names(conn, record, reuse_id)? {
            Ok(retired) => retired,
            Err(taken) => return Ok(taken),
        };
        let reserved = about(record, "tenant.reserve").with("reuse_id", retired);
        note(conn, by, &reserved)?;
        Ok(Inserted::Done)
    })
}

pub(super) fn complete(
    conn: &mut Conn,
    asked: &Completion,
    by: &Principal,
) -> QueryResult<Completing> {
    let id = asked.tenant_uuid.as_bytes().as_slice();
    write(conn, |conn| {
        let reserved = |status| status == Status::Reserved;
        let record = match idle_tenant(conn, asked.tenant_uuid, reserved)? {
            Ok(record) => record,
            Err(refused) => return Ok(Completing::Not(refused)),
        };
        if let Some(terms) = &asked.terms {
            if let Some(subdomain) = &terms.subdomain
                && let Some(owner) = subdomain_owner(conn, subdomain)?
                && owner.uuid != asked.tenant_uuid
            {
                return Ok(Completing::SubdomainTaken(owner.id));
            }
            diesel::update(tenants::table.find(id))
                .set((
                    tenants::display_name.eq(terms.display_name.as_str()),
                    tenants::subdomain.eq(terms.subdomain.as_ref().map(|name| name.as_str())),
                    tenants::plan.eq(&terms.plan),
                    tenants::quota_bytes.eq(terms.quota.map(|bytes| bytes as i64)),
                ))
                .execute(conn)?;
        }
        // An attempt that was undone has used its number up.
        let generation = newest_number(conn, asked.tenant_uuid)? + 1;
        diesel::update(tenants::table.find(id))
            .set((
                tenants::generation.eq(generation as i64),
                tenants::schema_version.eq(&asked.schema_version),
                tenants::schema_fingerprint.eq(&asked.schema_fingerprint),
                tenants::ledger_digest.eq(&asked.ledger_digest),
            ))
            .execute(conn)?;
        let operation = Operation {
            id: asked.operation,
            tenant_uuid: asked.tenant_uuid,
            kind: OperationKind::Create,
            instance: asked.instance,
            prior_status: Status::Reserved,
            from_generation: generation,
            to_generation: generation,
        };
        diesel::insert_into(operations::table)
            .values(OperationRow::write(&operation, now()))
            .execute(conn)?;
        set_status(conn, asked.tenant_uuid, Status::Provisioning)?;
        let begun = about(&record, "create.begin").subject(operation.id);
        note(
            conn,
            by,
            &begun.generation(generation).with("reserved", true),
        )?;
        let record = tenant(conn, asked.tenant_uuid)?;
        let record = record.ok_or(diesel::result::Error::NotFound)?;
        Ok(Completing::Done(operation, Box::new(record)))
    })
}

pub(super) fn reserve_again(
    conn: &mut Conn,
    operation: &Operation,
    by: &Principal,
) -> QueryResult<()> {
    write(conn, |conn| {
        if !close_quietly(conn, operation, "undone")? {
            return Ok(());
        }
        let id = operation.tenant_uuid.as_bytes().as_slice();
        diesel::update(tenants::table.find(id))
            .set((
                tenants::schema_version.eq(None::<String>),
                tenants::schema_fingerprint.eq(None::<String>),
                tenants::ledger_digest.eq(None::<String>),
            ))
            .execute(conn)?;
        set_status(conn, operation.tenant_uuid, Status::Reserved)?;
        match tenant(conn, operation.tenant_uuid)? {
            Some(record) => {
                let undone = about(&record, "create.undo").subject(operation.id);
                note(conn, by, &undone)
            }
            None => Ok(()),
        }
    })
}

pub(super) fn unreserve(conn: &mut Conn, uuid: Uuid, by: &Principal) -> QueryResult<Changed> {
    let id = uuid.as_bytes().as_slice();
    write(conn, |conn| {
        let reserved = |status| status == Status::Reserved;
        let record = match idle_tenant(conn, uuid, reserved)? {
            Ok(record) => record,
            Err(refused) => return Ok(refused),
        };
        note(conn, by, &about(&record, "tenant.unreserve"))?;
        next_seq(conn)?;
        // Attempts to make its database, which were undone.
        diesel::delete(operations::table.filter(operations::tenant_uuid.eq(id))).execute(conn)?;
        diesel::delete(tenants::table.find(id)).execute(conn)?;
        Ok(Changed::Done)
    })
}
