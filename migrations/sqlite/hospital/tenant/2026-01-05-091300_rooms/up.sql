CREATE TABLE rooms (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    floor INTEGER NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('general', 'semi_private', 'private', 'intensive_care', 'maternity', 'isolation')),
    department_id BLOB REFERENCES departments (id),
    daily_rate BIGINT NOT NULL CHECK (daily_rate >= 0),
    active BOOLEAN NOT NULL DEFAULT TRUE
);
CREATE INDEX rooms_department_id_idx ON rooms (department_id);

CREATE TABLE beds (
    id BLOB NOT NULL PRIMARY KEY,
    room_id BLOB NOT NULL REFERENCES rooms (id),
    number TEXT NOT NULL,
    in_service BOOLEAN NOT NULL DEFAULT TRUE,
    UNIQUE (room_id, number)
);
