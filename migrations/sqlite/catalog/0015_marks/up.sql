-- Which mark the directory had that it was put into: beside another one, what is missing there is not gone. None where the
-- mark had no id.
ALTER TABLE __tenants_backups ADD COLUMN mark BLOB CHECK (length(mark) = 16);
ALTER TABLE __tenants_backup_sets ADD COLUMN mark BLOB CHECK (length(mark) = 16);
