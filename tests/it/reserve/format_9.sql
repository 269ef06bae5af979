PRAGMA foreign_keys = OFF;
BEGIN IMMEDIATE;
DROP TRIGGER __tenants_audit_ends_said;
DROP TRIGGER __tenants_audit_ends_once;
DROP TRIGGER __tenants_audit_ends_true;
DROP INDEX __tenants_audit_actor;
DROP INDEX __tenants_audit_action;
DROP INDEX __tenants_audit_tenant_id;
ALTER TABLE __tenants_run_tenants DROP COLUMN backup;
CREATE TABLE moved AS SELECT * FROM __tenants_tenants;
DROP TABLE __tenants_tenants;
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
    change_seq         BIGINT  NOT NULL,
    delete_after       BIGINT,
    legal_hold         TEXT,
    quota_bytes        BIGINT  CHECK (quota_bytes > 0),
    backups_on_purge   TEXT    CHECK (backups_on_purge IN ('keep', 'remove')),
    ledger_digest      TEXT
);
INSERT INTO __tenants_tenants
SELECT uuid, tenant_id, folded_id, display_name, subdomain, status, generation, schema_version, schema_fingerprint, plan,
       placement, created_at, changed_at, change_seq, delete_after, legal_hold, quota_bytes, backups_on_purge, ledger_digest
FROM moved;
DROP TABLE moved;
CREATE UNIQUE INDEX __tenants_tenants_folded_id ON __tenants_tenants (folded_id) WHERE status <> 'deleted';
CREATE UNIQUE INDEX __tenants_tenants_subdomain ON __tenants_tenants (subdomain) WHERE status <> 'deleted';
CREATE INDEX __tenants_tenants_change_seq ON __tenants_tenants (change_seq);
UPDATE __tenants_catalog SET format = 9;
COMMIT;
PRAGMA foreign_keys = ON;

ALTER TABLE __tenants_backups DROP COLUMN mark;
ALTER TABLE __tenants_backup_sets DROP COLUMN mark;
