CREATE TABLE lab_sections (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT,
    head BLOB,
    active BOOLEAN NOT NULL DEFAULT TRUE
);

CREATE TABLE lab_tests (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    lab_section_id BLOB NOT NULL REFERENCES lab_sections (id),
    sample_type TEXT NOT NULL,
    unit TEXT,
    reference_range TEXT,
    price BIGINT NOT NULL CHECK (price >= 0),
    turnaround_hours INTEGER NOT NULL CHECK (turnaround_hours > 0),
    fasting BOOLEAN NOT NULL,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX lab_tests_lab_section_id_idx ON lab_tests (lab_section_id);

CREATE TABLE lab_orders (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    doctor_id BLOB NOT NULL REFERENCES doctors (id),
    appointment_id BLOB REFERENCES appointments (id),
    priority TEXT NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    state TEXT NOT NULL DEFAULT 'ordered'
        CHECK (state IN ('ordered', 'sample_collected', 'in_progress', 'completed', 'cancelled')),
    clinical_notes TEXT,
    total_amount BIGINT NOT NULL CHECK (total_amount >= 0),
    ordered_at TIMESTAMP NOT NULL,
    sample_collected_by BLOB,
    sample_collected_at TIMESTAMP,
    completed_at TIMESTAMP,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX lab_orders_patient_id_idx ON lab_orders (patient_id);
CREATE INDEX lab_orders_doctor_id_idx ON lab_orders (doctor_id);
CREATE INDEX lab_orders_appointment_id_idx ON lab_orders (appointment_id);
CREATE INDEX lab_orders_state_idx ON lab_orders (state, ordered_at);

CREATE TABLE lab_order_items (
    id BLOB NOT NULL PRIMARY KEY,
    lab_order_id BLOB NOT NULL REFERENCES lab_orders (id),
    lab_test_id BLOB NOT NULL REFERENCES lab_tests (id),
    price BIGINT NOT NULL CHECK (price >= 0),
    state TEXT NOT NULL DEFAULT 'ordered'
        CHECK (state IN ('ordered', 'sample_collected', 'in_progress', 'completed', 'cancelled')),
    completed_at TIMESTAMP
);
CREATE INDEX lab_order_items_lab_order_id_idx ON lab_order_items (lab_order_id);
CREATE INDEX lab_order_items_lab_test_id_idx ON lab_order_items (lab_test_id);

CREATE TABLE lab_results (
    id BLOB NOT NULL PRIMARY KEY,
    lab_order_item_id BLOB NOT NULL UNIQUE REFERENCES lab_order_items (id),
    value TEXT NOT NULL,
    unit TEXT,
    reference_range TEXT,
    abnormal BOOLEAN NOT NULL,
    comments TEXT,
    state TEXT NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'pending_review', 'reviewed', 'reported')),
    performed_by BLOB,
    performed_at TIMESTAMP NOT NULL,
    reviewed_by BLOB,
    reviewed_at TIMESTAMP,
    reported_at TIMESTAMP
);
