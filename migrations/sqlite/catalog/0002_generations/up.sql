-- Databases that are in use no more and are kept, fenced, so that what replaced them can be undone.
CREATE TABLE __tenants_generations (
    tenant_uuid BLOB   NOT NULL REFERENCES __tenants_tenants (uuid),
    generation  BIGINT NOT NULL CHECK (generation >= 1),
    replaced_by TEXT   NOT NULL, -- the kind of operation
    replaced_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_uuid, generation)
) WITHOUT ROWID;
