CREATE TABLE study_types (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    modality TEXT NOT NULL
        CHECK (modality IN ('x_ray', 'ct', 'mri', 'ultrasound', 'mammography', 'fluoroscopy', 'nuclear')),
    body_part TEXT,
    contrast BOOLEAN NOT NULL,
    price BIGINT NOT NULL CHECK (price >= 0),
    duration_minutes INTEGER NOT NULL CHECK (duration_minutes > 0),
    active BOOLEAN NOT NULL DEFAULT TRUE
);

CREATE TABLE radiology_orders (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    doctor_id BLOB NOT NULL REFERENCES doctors (id),
    study_type_id BLOB NOT NULL REFERENCES study_types (id),
    appointment_id BLOB REFERENCES appointments (id),
    priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    state TEXT NOT NULL DEFAULT 'ordered'
        CHECK (state IN ('ordered', 'scheduled', 'in_progress', 'completed', 'reported', 'cancelled')),
    indication TEXT NOT NULL,
    price BIGINT NOT NULL CHECK (price >= 0),
    ordered_at TIMESTAMP NOT NULL,
    scheduled_for TIMESTAMP,
    completed_at TIMESTAMP,
    technologist BLOB,
    radiologist BLOB,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX radiology_orders_patient_id_idx ON radiology_orders (patient_id);
CREATE INDEX radiology_orders_doctor_id_idx ON radiology_orders (doctor_id);
CREATE INDEX radiology_orders_study_type_id_idx ON radiology_orders (study_type_id);
CREATE INDEX radiology_orders_appointment_id_idx ON radiology_orders (appointment_id);

CREATE TABLE radiology_studies (
    id BLOB NOT NULL PRIMARY KEY,
    radiology_order_id BLOB NOT NULL UNIQUE REFERENCES radiology_orders (id),
    study_uid TEXT NOT NULL UNIQUE,
    performed_at TIMESTAMP NOT NULL,
    image_count INTEGER NOT NULL CHECK (image_count >= 0),
    findings TEXT,
    impression TEXT,
    critical BOOLEAN NOT NULL,
    state TEXT NOT NULL DEFAULT 'acquired' CHECK (state IN ('acquired', 'preliminary', 'final', 'amended')),
    reported_by BLOB,
    reported_at TIMESTAMP,
    reviewed_by BLOB,
    reviewed_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
