-- The backup that was taken on the way to a purge: it outlives the purge, also where that removes all others.
ALTER TABLE __tenants_tenants ADD COLUMN final_backup BLOB CHECK (length(final_backup) = 16);
