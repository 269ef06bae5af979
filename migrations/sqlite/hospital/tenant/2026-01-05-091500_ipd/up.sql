CREATE TABLE admissions (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    bed_id BLOB NOT NULL REFERENCES beds (id),
    doctor_id BLOB NOT NULL REFERENCES doctors (id),
    state TEXT NOT NULL DEFAULT 'admitted' CHECK (state IN ('admitted', 'discharged', 'transferred', 'deceased')),
    reason TEXT NOT NULL,
    admitted_by BLOB,
    admitted_at TIMESTAMP NOT NULL,
    discharged_by BLOB,
    discharged_at TIMESTAMP CHECK (discharged_at >= admitted_at),
    discharge_summary TEXT,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX admissions_patient_id_idx ON admissions (patient_id);
CREATE INDEX admissions_bed_id_idx ON admissions (bed_id);
CREATE INDEX admissions_doctor_id_idx ON admissions (doctor_id);
CREATE UNIQUE INDEX admissions_open_bed_idx ON admissions (bed_id) WHERE state = 'admitted';
CREATE UNIQUE INDEX admissions_open_patient_idx ON admissions (patient_id) WHERE state = 'admitted';

CREATE TABLE treatments (
    id BLOB NOT NULL PRIMARY KEY,
    admission_id BLOB NOT NULL REFERENCES admissions (id),
    name TEXT NOT NULL,
    notes TEXT,
    price BIGINT NOT NULL CHECK (price >= 0),
    given_by BLOB,
    given_at TIMESTAMP NOT NULL,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX treatments_admission_id_idx ON treatments (admission_id);
