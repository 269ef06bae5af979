-- What the last verification of each tenant found, so that a list of all tenants opens none of them.
CREATE TABLE __tenants_health (
    tenant_uuid BLOB    NOT NULL PRIMARY KEY REFERENCES __tenants_tenants (uuid) ON DELETE CASCADE,
    generation  BIGINT  NOT NULL,
    status      TEXT    NOT NULL,
    findings    TEXT    NOT NULL, -- JSON: [{"kind": …, "text": …}, …]
    checked_at  BIGINT  NOT NULL
) WITHOUT ROWID;
