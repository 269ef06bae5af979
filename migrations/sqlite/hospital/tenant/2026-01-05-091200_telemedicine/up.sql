CREATE TABLE teleconsultations (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    doctor_id BLOB NOT NULL REFERENCES doctors (id),
    appointment_id BLOB UNIQUE REFERENCES appointments (id),
    meeting_room TEXT NOT NULL UNIQUE,
    starts_at TIMESTAMP NOT NULL,
    duration_minutes INTEGER NOT NULL CHECK (duration_minutes > 0),
    state TEXT NOT NULL DEFAULT 'scheduled'
        CHECK (state IN ('scheduled', 'waiting', 'in_progress', 'completed', 'no_show', 'cancelled')),
    patient_joined_at TIMESTAMP,
    doctor_joined_at TIMESTAMP,
    ended_at TIMESTAMP,
    notes TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX teleconsultations_patient_id_idx ON teleconsultations (patient_id);
CREATE INDEX teleconsultations_doctor_id_idx ON teleconsultations (doctor_id);
