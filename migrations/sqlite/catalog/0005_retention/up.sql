-- When an archived tenant may be purged, what stands in the way of it, and how much a tenant may hold.
ALTER TABLE __tenants_tenants ADD COLUMN delete_after BIGINT;
ALTER TABLE __tenants_tenants ADD COLUMN legal_hold TEXT;
ALTER TABLE __tenants_tenants ADD COLUMN quota_bytes BIGINT CHECK (quota_bytes > 0);

-- What the one who began a purge wanted done with the backups, so that whoever finishes it does the same.
ALTER TABLE __tenants_tenants ADD COLUMN backups_on_purge TEXT CHECK (backups_on_purge IN ('keep', 'remove'));

-- The newest time that was seen here and believed. A clock that has jumped ahead of it must not make a purge due.
ALTER TABLE __tenants_catalog ADD COLUMN clock_seen BIGINT NOT NULL DEFAULT 0;
UPDATE __tenants_catalog SET clock_seen = CAST(unixepoch('subsec') * 1000 AS INTEGER);
