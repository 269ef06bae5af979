CREATE TABLE departments (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    head BLOB,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE staff_members (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    user_id BLOB UNIQUE,
    department_id BLOB REFERENCES departments (id),
    kind TEXT NOT NULL
        CHECK (kind IN (
            'doctor', 'nurse', 'technician', 'pharmacist', 'receptionist', 'accountant', 'administrator',
            'support'
        )),
    given_name TEXT NOT NULL,
    family_name TEXT NOT NULL,
    birth_date DATE,
    phone TEXT,
    email TEXT UNIQUE,
    address TEXT,
    emergency_contact_name TEXT,
    emergency_contact_phone TEXT,
    position TEXT,
    qualifications TEXT,
    employment TEXT NOT NULL CHECK (employment IN ('full_time', 'part_time', 'contract', 'intern')),
    shift TEXT NOT NULL CHECK (shift IN ('morning', 'afternoon', 'night', 'rotating')),
    salary BIGINT CHECK (salary >= 0),
    hired_on DATE NOT NULL,
    contract_ends_on DATE,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX staff_members_department_id_idx ON staff_members (department_id);

CREATE TABLE staff_schedules (
    id BLOB NOT NULL PRIMARY KEY,
    staff_member_id BLOB NOT NULL REFERENCES staff_members (id),
    weekday INTEGER NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    starts_at TIME NOT NULL,
    ends_at TIME NOT NULL,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    UNIQUE (staff_member_id, weekday)
);

CREATE TABLE staff_attendance (
    id BLOB NOT NULL PRIMARY KEY,
    staff_member_id BLOB NOT NULL REFERENCES staff_members (id),
    day DATE NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('present', 'late', 'half_day', 'on_leave', 'absent')),
    came_at TIME,
    left_at TIME,
    notes TEXT,
    marked_by BLOB,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (staff_member_id, day)
);
