CREATE TABLE hospitals (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    subdomain TEXT NOT NULL UNIQUE,
    contact_name TEXT,
    email TEXT NOT NULL,
    phone TEXT,
    address TEXT,
    city TEXT,
    country TEXT,
    website TEXT,
    time_zone TEXT NOT NULL,
    currency TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);

CREATE TABLE users (
    id BLOB NOT NULL PRIMARY KEY,
    username TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    must_change_password BOOLEAN NOT NULL DEFAULT FALSE,
    superuser BOOLEAN NOT NULL DEFAULT FALSE,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    failed_logins INTEGER NOT NULL DEFAULT 0 CHECK (failed_logins >= 0),
    locked_until TIMESTAMP,
    last_login_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);

CREATE TABLE profiles (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL UNIQUE REFERENCES users (id),
    given_name TEXT NOT NULL,
    family_name TEXT NOT NULL,
    phone TEXT,
    language TEXT,
    time_zone TEXT,
    updated_at TIMESTAMP
);

CREATE TABLE sessions (
    id BLOB NOT NULL PRIMARY KEY,
    token_sha256 TEXT NOT NULL UNIQUE,
    user_id BLOB NOT NULL REFERENCES users (id),
    hospital_id BLOB REFERENCES hospitals (id),
    ip_address TEXT,
    user_agent TEXT,
    created_at TIMESTAMP NOT NULL,
    last_seen_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE INDEX sessions_hospital_id_idx ON sessions (hospital_id);

CREATE TABLE groups (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE permissions (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
);

CREATE TABLE user_groups (
    user_id BLOB NOT NULL REFERENCES users (id),
    group_id BLOB NOT NULL REFERENCES groups (id),
    PRIMARY KEY (user_id, group_id)
);
CREATE INDEX user_groups_group_id_idx ON user_groups (group_id);

CREATE TABLE group_permissions (
    group_id BLOB NOT NULL REFERENCES groups (id),
    permission_id BLOB NOT NULL REFERENCES permissions (id),
    PRIMARY KEY (group_id, permission_id)
);
CREATE INDEX group_permissions_permission_id_idx ON group_permissions (permission_id);

CREATE TABLE tenant_access (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id),
    hospital_id BLOB NOT NULL REFERENCES hospitals (id),
    role TEXT NOT NULL
        CHECK (role IN (
            'superadmin', 'hospital_admin', 'doctor', 'nurse', 'receptionist', 'pharmacist', 'lab_technician',
            'radiologist', 'accountant', 'hr_manager', 'staff', 'patient'
        )),
    active BOOLEAN NOT NULL DEFAULT TRUE,
    is_default BOOLEAN NOT NULL,
    last_used_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (user_id, hospital_id)
);
CREATE INDEX tenant_access_hospital_id_idx ON tenant_access (hospital_id);
CREATE UNIQUE INDEX tenant_access_default_idx ON tenant_access (user_id) WHERE is_default;

CREATE TABLE login_attempts (
    id BLOB NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    user_id BLOB REFERENCES users (id),
    ip_address TEXT,
    succeeded BOOLEAN NOT NULL,
    attempted_at TIMESTAMP NOT NULL
);
CREATE INDEX login_attempts_user_id_idx ON login_attempts (user_id);
CREATE INDEX login_attempts_username_idx ON login_attempts (username, attempted_at);
