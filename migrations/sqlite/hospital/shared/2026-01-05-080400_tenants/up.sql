-- Which tenant a hospital is. A code may be a tenant's id again after a purge; the uuid never is another one's.
-- Nothing until the tenant was created.
ALTER TABLE hospitals ADD COLUMN tenant_uuid BLOB;
CREATE UNIQUE INDEX hospitals_tenant_uuid_idx ON hospitals (tenant_uuid);
