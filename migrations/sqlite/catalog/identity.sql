-- Every database says whose it is; checked each time a connection is made.
CREATE TABLE __tenants_identity (
    id           INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    scope        TEXT    NOT NULL CHECK (scope IN ('shared', 'tenant', 'template')),
    catalog_uuid BLOB    CHECK (length(catalog_uuid) = 16),
    tenant_uuid  BLOB    CHECK (length(tenant_uuid) = 16),
    tenant_id    TEXT,
    generation   BIGINT  NOT NULL,
    fenced       INTEGER NOT NULL DEFAULT 0
);
