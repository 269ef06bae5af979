CREATE TABLE nurses (
    id BLOB NOT NULL PRIMARY KEY,
    staff_member_id BLOB NOT NULL UNIQUE REFERENCES staff_members (id),
    number TEXT NOT NULL UNIQUE,
    license_number TEXT UNIQUE,
    grade TEXT,
    specialty TEXT,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);

CREATE TABLE nurse_schedules (
    id BLOB NOT NULL PRIMARY KEY,
    nurse_id BLOB NOT NULL REFERENCES nurses (id),
    day DATE NOT NULL,
    starts_at TIME NOT NULL,
    ends_at TIME NOT NULL,
    notes TEXT,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (nurse_id, day)
);
