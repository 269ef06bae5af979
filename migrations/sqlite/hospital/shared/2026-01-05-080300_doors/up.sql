-- Failures before a password was changed count for no lock, and a session begun with an older one is none.
ALTER TABLE users ADD COLUMN password_changed_at TIMESTAMP;
-- What is asked at each log-in: the newest attempts of a name from one address.
CREATE INDEX login_attempts_address_idx ON login_attempts (username, ip_address, attempted_at);
