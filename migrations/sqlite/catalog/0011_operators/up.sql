-- Tenants that are registered and have no database yet: one more status. SQLite cannot change a CHECK, so the table is
-- made anew under its own name; those that refer to it are looked at when this is committed.
PRAGMA defer_foreign_keys = ON;
CREATE TEMP TABLE __tenants_moved AS SELECT * FROM __tenants_tenants;
CREATE TEMP TABLE __tenants_moved_health AS SELECT * FROM __tenants_health;
DELETE FROM __tenants_tenants;
DROP TABLE __tenants_tenants;

CREATE TABLE __tenants_tenants (
    uuid               BLOB    PRIMARY KEY NOT NULL CHECK (length(uuid) = 16),
    tenant_id          TEXT    NOT NULL,
    folded_id          TEXT    NOT NULL,
    display_name       TEXT    NOT NULL,
    subdomain          TEXT,
    status             TEXT    NOT NULL CHECK (status IN ('reserved', 'provisioning', 'active', 'suspended', 'archived',
                                                          'restoring', 'deleting', 'deleted', 'failed')),
    generation         BIGINT  NOT NULL CHECK (generation >= 1),
    schema_version     TEXT,
    schema_fingerprint TEXT,
    plan               TEXT,
    placement          TEXT    NOT NULL,
    created_at         BIGINT  NOT NULL,
    changed_at         BIGINT  NOT NULL,
    change_seq         BIGINT  NOT NULL,
    delete_after       BIGINT,
    legal_hold         TEXT,
    quota_bytes        BIGINT  CHECK (quota_bytes > 0),
    backups_on_purge   TEXT    CHECK (backups_on_purge IN ('keep', 'remove')),
    ledger_digest      TEXT
);
INSERT INTO __tenants_tenants (uuid, tenant_id, folded_id, display_name, subdomain, status, generation, schema_version,
                               schema_fingerprint, plan, placement, created_at, changed_at, change_seq, delete_after,
                               legal_hold, quota_bytes, backups_on_purge, ledger_digest)
SELECT uuid, tenant_id, folded_id, display_name, subdomain, status, generation, schema_version, schema_fingerprint, plan,
       placement, created_at, changed_at, change_seq, delete_after, legal_hold, quota_bytes, backups_on_purge, ledger_digest
FROM temp.__tenants_moved;
INSERT INTO __tenants_health SELECT * FROM temp.__tenants_moved_health;
DROP TABLE temp.__tenants_moved;
DROP TABLE temp.__tenants_moved_health;

CREATE UNIQUE INDEX __tenants_tenants_folded_id ON __tenants_tenants (folded_id) WHERE status <> 'deleted';
CREATE UNIQUE INDEX __tenants_tenants_subdomain ON __tenants_tenants (subdomain) WHERE status <> 'deleted';
CREATE INDEX __tenants_tenants_change_seq ON __tenants_tenants (change_seq);

-- The backup that was taken of a tenant before it was migrated.
ALTER TABLE __tenants_run_tenants ADD COLUMN backup BLOB CHECK (length(backup) = 16);
