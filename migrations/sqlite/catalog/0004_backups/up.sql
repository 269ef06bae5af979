-- Backups: one that is being made, one that counts, or one that is being removed, and by which running instance. No
-- reference to the tenant: a backup may outlive it.
CREATE TABLE __tenants_backups (
    id                 BLOB    PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    set_id             BLOB    CHECK (length(set_id) = 16),
    tenant_uuid        BLOB    CHECK (length(tenant_uuid) = 16), -- NULL: the shared database
    tenant_id          TEXT    CHECK ((tenant_id IS NULL) = (tenant_uuid IS NULL)),
    state              TEXT    NOT NULL CHECK (state IN ('making', 'good', 'removing')),
    reason             TEXT    NOT NULL,
    instance           BLOB    NOT NULL CHECK (length(instance) = 16),
    directory          BLOB,                                     -- NULL: that of the data directory
    began_at           BIGINT  NOT NULL,
    pinned             INTEGER NOT NULL DEFAULT 0,
    taken_at           BIGINT,
    generation         BIGINT,
    schema_version     TEXT,
    schema_fingerprint TEXT,
    bytes              BIGINT,
    sha256             BLOB    CHECK (length(sha256) = 32),
    CHECK (state <> 'good' OR (taken_at IS NOT NULL AND generation IS NOT NULL AND bytes IS NOT NULL
                               AND sha256 IS NOT NULL AND schema_fingerprint IS NOT NULL))
);

CREATE INDEX __tenants_backups_tenant ON __tenants_backups (tenant_uuid, taken_at);
CREATE INDEX __tenants_backups_unfinished ON __tenants_backups (state) WHERE state <> 'good';

-- Backups of everything, taken together: from the time they are begun until nothing of them is left.
CREATE TABLE __tenants_backup_sets (
    id        BLOB    PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    instance  BLOB    NOT NULL CHECK (length(instance) = 16),
    directory BLOB,                    -- as of a backup
    began_at  BIGINT  NOT NULL,
    ended_at  BIGINT,                  -- NULL while it is being made, or removed
    complete  INTEGER NOT NULL DEFAULT 0
);

-- Old generations that were given up: their files are being removed.
CREATE TABLE __tenants_discards (
    tenant_uuid BLOB   NOT NULL REFERENCES __tenants_tenants (uuid),
    generation  BIGINT NOT NULL CHECK (generation >= 1),
    PRIMARY KEY (tenant_uuid, generation)
) WITHOUT ROWID;
