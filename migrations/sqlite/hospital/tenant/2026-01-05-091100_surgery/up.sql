CREATE TABLE operating_theatres (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    location TEXT,
    active BOOLEAN NOT NULL DEFAULT TRUE
);

CREATE TABLE surgeries (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    doctor_id BLOB NOT NULL REFERENCES doctors (id),
    operating_theatre_id BLOB NOT NULL REFERENCES operating_theatres (id),
    procedure_name TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'scheduled'
        CHECK (state IN ('scheduled', 'in_progress', 'completed', 'postponed', 'cancelled')),
    scheduled_for TIMESTAMP NOT NULL,
    duration_minutes INTEGER NOT NULL CHECK (duration_minutes > 0),
    anaesthesia TEXT,
    started_at TIMESTAMP,
    ended_at TIMESTAMP,
    notes TEXT,
    complications TEXT,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX surgeries_patient_id_idx ON surgeries (patient_id);
CREATE INDEX surgeries_doctor_id_idx ON surgeries (doctor_id);
CREATE INDEX surgeries_operating_theatre_id_idx ON surgeries (operating_theatre_id, scheduled_for);

CREATE TABLE surgery_team (
    id BLOB NOT NULL PRIMARY KEY,
    surgery_id BLOB NOT NULL REFERENCES surgeries (id),
    staff_member_id BLOB NOT NULL REFERENCES staff_members (id),
    role TEXT NOT NULL
        CHECK (role IN ('surgeon', 'assistant', 'anaesthetist', 'scrub_nurse', 'circulating_nurse')),
    UNIQUE (surgery_id, staff_member_id)
);
CREATE INDEX surgery_team_staff_member_id_idx ON surgery_team (staff_member_id);
