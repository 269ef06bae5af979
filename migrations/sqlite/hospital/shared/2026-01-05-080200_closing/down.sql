ALTER TABLE tenant_access DROP COLUMN closed_with_hospital;
ALTER TABLE hospitals DROP COLUMN closed_at;
