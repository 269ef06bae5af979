-- Who did what, when and why. Each row holds the hash of the one before it, so that what was changed, taken out or put
-- in between shows. It holds no row of the application and no personal data beyond the actor's id and the reason.
CREATE TABLE __tenants_audit (
    seq         INTEGER PRIMARY KEY NOT NULL CHECK (seq >= 1),
    at          BIGINT  NOT NULL,
    actor       TEXT    NOT NULL,
    actor_kind  TEXT    NOT NULL,
    role        TEXT,
    action      TEXT    NOT NULL,
    tenant_uuid BLOB    CHECK (length(tenant_uuid) = 16),
    tenant_id   TEXT,
    generation  BIGINT,
    subject     BLOB    CHECK (length(subject) = 16), -- the operation or grant it belongs to
    reason      TEXT,
    detail      TEXT    NOT NULL,                     -- a JSON object
    prev_hash   BLOB    NOT NULL CHECK (length(prev_hash) = 32),
    hash        BLOB    NOT NULL CHECK (length(hash) = 32)
);
CREATE INDEX __tenants_audit_tenant ON __tenants_audit (tenant_uuid, seq);

-- Both ends of the chain: the newest row, so that cutting it off shows, and the last one that retention took away, so
-- that what is left can still be checked from there on.
CREATE TABLE __tenants_audit_ends (
    id             INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    pruned_through BIGINT  NOT NULL,
    pruned_hash    BLOB    NOT NULL CHECK (length(pruned_hash) = 32),
    head_seq       BIGINT  NOT NULL,
    head_hash      BLOB    NOT NULL CHECK (length(head_hash) = 32)
);
INSERT INTO __tenants_audit_ends VALUES (1, 0, zeroblob(32), 0, zeroblob(32));

-- The next one and no other: REPLACE takes a row's place without firing what fires on deletion.
CREATE TRIGGER __tenants_audit_in_order BEFORE INSERT ON __tenants_audit
WHEN NEW.seq IS NOT (SELECT head_seq + 1 FROM __tenants_audit_ends)
BEGIN SELECT RAISE(ABORT, '__tenants: the audit log is only ever added to'); END;
CREATE TRIGGER __tenants_audit_no_update BEFORE UPDATE ON __tenants_audit
BEGIN SELECT RAISE(ABORT, '__tenants: the audit log is only ever added to'); END;
CREATE TRIGGER __tenants_audit_no_delete BEFORE DELETE ON __tenants_audit
WHEN OLD.seq > (SELECT pruned_through FROM __tenants_audit_ends)
BEGIN SELECT RAISE(ABORT, '__tenants: the audit log is only ever added to'); END;
CREATE TRIGGER __tenants_audit_ends_forward BEFORE UPDATE ON __tenants_audit_ends
WHEN NEW.head_seq < OLD.head_seq OR NEW.pruned_through < OLD.pruned_through
BEGIN SELECT RAISE(ABORT, '__tenants: the audit log is only ever added to'); END;
CREATE TRIGGER __tenants_audit_ends_stay BEFORE DELETE ON __tenants_audit_ends
BEGIN SELECT RAISE(ABORT, '__tenants: the audit log is only ever added to'); END;

-- Who may open a tenant without being a member, until when, and why.
CREATE TABLE __tenants_grants (
    id          BLOB   PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    actor       TEXT   NOT NULL,
    actor_kind  TEXT   NOT NULL,
    tenant_uuid BLOB   NOT NULL CHECK (length(tenant_uuid) = 16),
    tenant_id   TEXT   NOT NULL,
    reason      TEXT   NOT NULL,
    opened_seq  BIGINT NOT NULL, -- the entry that says it was granted
    granted_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    ended_at    BIGINT
);
CREATE INDEX __tenants_grants_open ON __tenants_grants (tenant_uuid, actor) WHERE ended_at IS NULL;
