-- The log lets go of entries only behind an entry that says so: without it, whoever moves the pruned end forward can
-- delete what is behind it, and the rest is a chain still.
CREATE TRIGGER __tenants_audit_ends_said BEFORE UPDATE ON __tenants_audit_ends
WHEN NEW.pruned_through > OLD.pruned_through AND NOT EXISTS (
    SELECT 1 FROM __tenants_audit
    WHERE seq = OLD.head_seq AND action = 'audit.prune'
      AND json_extract(detail, '$.through') = NEW.pruned_through
      AND json_extract(detail, '$.hash') = lower(hex(NEW.pruned_hash)))
BEGIN SELECT RAISE(ABORT, '__tenants: the audit log is only ever added to'); END;

-- What the log is searched by.
CREATE INDEX __tenants_audit_actor ON __tenants_audit (actor, seq);
CREATE INDEX __tenants_audit_action ON __tenants_audit (action, seq);
CREATE INDEX __tenants_audit_tenant_id ON __tenants_audit (replace(lower(tenant_id), '-', '_'), seq);
