CREATE TABLE patients (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    given_name TEXT NOT NULL,
    middle_name TEXT,
    family_name TEXT NOT NULL,
    birth_date DATE NOT NULL,
    sex TEXT NOT NULL CHECK (sex IN ('female', 'male', 'other', 'unknown')),
    blood_group TEXT,
    phone TEXT,
    alternate_phone TEXT,
    email TEXT,
    address TEXT,
    city TEXT,
    region TEXT,
    postal_code TEXT,
    country TEXT,
    emergency_contact_name TEXT,
    emergency_contact_relation TEXT,
    emergency_contact_phone TEXT,
    allergies TEXT,
    chronic_conditions TEXT,
    current_medications TEXT,
    medical_history TEXT,
    family_history TEXT,
    insurance_provider TEXT,
    insurance_policy_number TEXT,
    user_id BLOB UNIQUE,
    registered_by BLOB,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    last_visit_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX patients_name_idx ON patients (family_name, given_name);
CREATE INDEX patients_phone_idx ON patients (phone);

CREATE TABLE patient_notes (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    note TEXT NOT NULL,
    confidential BOOLEAN NOT NULL,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX patient_notes_patient_id_idx ON patient_notes (patient_id);

CREATE TABLE patient_documents (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    description TEXT,
    storage_key TEXT NOT NULL UNIQUE,
    content_sha256 TEXT NOT NULL,
    confidential BOOLEAN NOT NULL,
    uploaded_by BLOB,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX patient_documents_patient_id_idx ON patient_documents (patient_id);

CREATE TABLE patient_vitals (
    id BLOB NOT NULL PRIMARY KEY,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    temperature DOUBLE,
    systolic INTEGER,
    diastolic INTEGER,
    heart_rate INTEGER,
    respiratory_rate INTEGER,
    oxygen_saturation INTEGER CHECK (oxygen_saturation BETWEEN 0 AND 100),
    weight DOUBLE,
    height DOUBLE,
    notes TEXT,
    recorded_by BLOB,
    recorded_at TIMESTAMP NOT NULL
);
CREATE INDEX patient_vitals_patient_id_idx ON patient_vitals (patient_id);
