DROP INDEX hospitals_tenant_uuid_idx;
ALTER TABLE hospitals DROP COLUMN tenant_uuid;
