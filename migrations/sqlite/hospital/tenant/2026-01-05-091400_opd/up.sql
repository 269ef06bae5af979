CREATE TABLE opd_visits (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    doctor_id BLOB REFERENCES doctors (id),
    priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'in_consultation', 'completed', 'cancelled')),
    symptoms TEXT NOT NULL,
    diagnosis TEXT,
    treatment TEXT,
    fee BIGINT NOT NULL CHECK (fee >= 0),
    follow_up_on DATE,
    visited_at TIMESTAMP NOT NULL,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX opd_visits_patient_id_idx ON opd_visits (patient_id);
CREATE INDEX opd_visits_doctor_id_idx ON opd_visits (doctor_id);
