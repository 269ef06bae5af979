-- The library's own tables in the shared database. Times are Unix milliseconds, uuids 16 bytes.

-- Whose catalogue this is, and a number that grows with every change to it, so that a process can ask with one
-- small query whether what it has cached still holds.
CREATE TABLE __tenants_catalog (
    id          INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    uuid        BLOB    NOT NULL CHECK (length(uuid) = 16),
    format      INTEGER NOT NULL,
    change_seq  BIGINT  NOT NULL,
    created_at  BIGINT  NOT NULL
);

CREATE TABLE __tenants_tenants (
    uuid               BLOB    PRIMARY KEY NOT NULL CHECK (length(uuid) = 16),
    tenant_id          TEXT    NOT NULL,
    folded_id          TEXT    NOT NULL,
    display_name       TEXT    NOT NULL,
    subdomain          TEXT,
    status             TEXT    NOT NULL CHECK (status IN ('provisioning', 'active', 'suspended', 'archived',
                                                          'restoring', 'deleting', 'deleted', 'failed')),
    generation         BIGINT  NOT NULL CHECK (generation >= 1),
    schema_version     TEXT,
    schema_fingerprint TEXT,
    plan               TEXT,
    placement          TEXT    NOT NULL,
    created_at         BIGINT  NOT NULL,
    changed_at         BIGINT  NOT NULL,
    change_seq         BIGINT  NOT NULL
);

-- The row of a deleted tenant stays as its tombstone; its id and subdomain may be taken again, its uuid never.
CREATE UNIQUE INDEX __tenants_tenants_folded_id ON __tenants_tenants (folded_id) WHERE status <> 'deleted';
CREATE UNIQUE INDEX __tenants_tenants_subdomain ON __tenants_tenants (subdomain) WHERE status <> 'deleted';
CREATE INDEX __tenants_tenants_change_seq ON __tenants_tenants (change_seq);

-- The journal: what is being done to a tenant and by which running instance. An open row whose instance is dead
-- is finished or undone by whoever finds it.
CREATE TABLE __tenants_operations (
    id              BLOB    PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    tenant_uuid     BLOB    NOT NULL REFERENCES __tenants_tenants (uuid),
    kind            TEXT    NOT NULL,
    instance        BLOB    NOT NULL CHECK (length(instance) = 16),
    prior_status    TEXT    NOT NULL,
    from_generation BIGINT  NOT NULL,
    to_generation   BIGINT  NOT NULL,
    started_at      BIGINT  NOT NULL,
    finished_at     BIGINT,
    outcome         TEXT
);

-- One operation at a time on a tenant, whoever asks.
CREATE UNIQUE INDEX __tenants_operations_open ON __tenants_operations (tenant_uuid) WHERE finished_at IS NULL;
