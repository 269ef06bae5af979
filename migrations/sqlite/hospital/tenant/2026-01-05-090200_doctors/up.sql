CREATE TABLE doctors (
    id BLOB NOT NULL PRIMARY KEY,
    staff_member_id BLOB NOT NULL UNIQUE REFERENCES staff_members (id),
    number TEXT NOT NULL UNIQUE,
    specialization TEXT NOT NULL,
    license_number TEXT NOT NULL UNIQUE,
    qualification TEXT,
    consultation_fee BIGINT NOT NULL CHECK (consultation_fee >= 0),
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);

CREATE TABLE doctor_schedules (
    id BLOB NOT NULL PRIMARY KEY,
    doctor_id BLOB NOT NULL REFERENCES doctors (id),
    weekday INTEGER NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    starts_at TIME NOT NULL,
    ends_at TIME NOT NULL,
    UNIQUE (doctor_id, weekday, starts_at)
);
