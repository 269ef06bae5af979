-- The two ends are one row, made once. REPLACE puts another in its place and fires nothing that fires on a change or, as
-- connections are by default, on a deletion; it is an insertion first of all.
CREATE TRIGGER __tenants_audit_ends_once BEFORE INSERT ON __tenants_audit_ends
BEGIN SELECT RAISE(ABORT, '__tenants: the audit log is only ever added to'); END;

-- And they are the ends of what is there: the head is a row by its number and hash, and what was pruned stays what it was.
CREATE TRIGGER __tenants_audit_ends_true BEFORE UPDATE ON __tenants_audit_ends
WHEN (NEW.pruned_through = OLD.pruned_through AND NEW.pruned_hash IS NOT OLD.pruned_hash)
  OR ((NEW.head_seq <> OLD.head_seq OR NEW.head_hash IS NOT OLD.head_hash)
      AND NOT EXISTS (SELECT 1 FROM __tenants_audit WHERE seq = NEW.head_seq AND hash = NEW.head_hash))
BEGIN SELECT RAISE(ABORT, '__tenants: the audit log is only ever added to'); END;
