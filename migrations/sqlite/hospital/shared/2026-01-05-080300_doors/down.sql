DROP INDEX login_attempts_address_idx;
ALTER TABLE users DROP COLUMN password_changed_at;
