CREATE TABLE appointment_types (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    duration_minutes INTEGER NOT NULL CHECK (duration_minutes > 0),
    color TEXT,
    active BOOLEAN NOT NULL DEFAULT TRUE
);

CREATE TABLE appointments (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    doctor_id BLOB NOT NULL REFERENCES doctors (id),
    appointment_type_id BLOB REFERENCES appointment_types (id),
    previous_appointment_id BLOB REFERENCES appointments (id),
    starts_at TIMESTAMP NOT NULL,
    duration_minutes INTEGER NOT NULL CHECK (duration_minutes > 0),
    state TEXT NOT NULL DEFAULT 'scheduled'
        CHECK (state IN (
            'scheduled', 'confirmed', 'checked_in', 'in_progress', 'completed', 'cancelled', 'no_show',
            'rescheduled'
        )),
    priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    complaint TEXT,
    notes TEXT,
    fee BIGINT NOT NULL CHECK (fee >= 0),
    created_by BLOB,
    checked_in_by BLOB,
    checked_in_at TIMESTAMP,
    completed_at TIMESTAMP,
    cancelled_by BLOB,
    cancelled_at TIMESTAMP,
    cancellation_reason TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX appointments_patient_id_idx ON appointments (patient_id);
CREATE INDEX appointments_doctor_id_idx ON appointments (doctor_id, starts_at);
CREATE INDEX appointments_appointment_type_id_idx ON appointments (appointment_type_id);
CREATE INDEX appointments_previous_appointment_id_idx ON appointments (previous_appointment_id);
CREATE INDEX appointments_starts_at_idx ON appointments (starts_at);

CREATE TABLE appointment_events (
    id BLOB NOT NULL PRIMARY KEY,
    appointment_id BLOB NOT NULL REFERENCES appointments (id),
    from_state TEXT
        CHECK (from_state IN (
            'scheduled', 'confirmed', 'checked_in', 'in_progress', 'completed', 'cancelled', 'no_show',
            'rescheduled'
        )),
    to_state TEXT NOT NULL
        CHECK (to_state IN (
            'scheduled', 'confirmed', 'checked_in', 'in_progress', 'completed', 'cancelled', 'no_show',
            'rescheduled'
        )),
    reason TEXT,
    changed_by BLOB,
    changed_at TIMESTAMP NOT NULL
);
CREATE INDEX appointment_events_appointment_id_idx ON appointment_events (appointment_id);
