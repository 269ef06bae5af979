CREATE TABLE emergency_cases (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    patient_id BLOB REFERENCES patients (id),
    patient_name TEXT NOT NULL,
    triage TEXT NOT NULL CHECK (triage IN ('resuscitation', 'emergent', 'urgent', 'less_urgent', 'non_urgent')),
    state TEXT NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'in_treatment', 'admitted', 'transferred', 'discharged', 'left', 'deceased')),
    complaint TEXT NOT NULL,
    arrival_mode TEXT,
    doctor_id BLOB REFERENCES doctors (id),
    disposition TEXT,
    arrived_at TIMESTAMP NOT NULL,
    closed_at TIMESTAMP,
    registered_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX emergency_cases_patient_id_idx ON emergency_cases (patient_id);
CREATE INDEX emergency_cases_doctor_id_idx ON emergency_cases (doctor_id);

CREATE TABLE emergency_vitals (
    id BLOB NOT NULL PRIMARY KEY,
    emergency_case_id BLOB NOT NULL REFERENCES emergency_cases (id),
    temperature DOUBLE,
    systolic INTEGER,
    diastolic INTEGER,
    heart_rate INTEGER,
    respiratory_rate INTEGER,
    oxygen_saturation INTEGER CHECK (oxygen_saturation BETWEEN 0 AND 100),
    pain INTEGER CHECK (pain BETWEEN 0 AND 10),
    notes TEXT,
    recorded_by BLOB,
    recorded_at TIMESTAMP NOT NULL
);
CREATE INDEX emergency_vitals_emergency_case_id_idx ON emergency_vitals (emergency_case_id);
