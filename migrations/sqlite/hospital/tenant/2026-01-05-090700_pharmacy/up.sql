CREATE TABLE drug_categories (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    active BOOLEAN NOT NULL DEFAULT TRUE
);

CREATE TABLE manufacturers (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    contact_person TEXT,
    phone TEXT,
    email TEXT,
    address TEXT,
    active BOOLEAN NOT NULL DEFAULT TRUE
);

CREATE TABLE medicines (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    generic_name TEXT NOT NULL,
    drug_category_id BLOB NOT NULL REFERENCES drug_categories (id),
    manufacturer_id BLOB NOT NULL REFERENCES manufacturers (id),
    form TEXT NOT NULL,
    strength TEXT,
    pack_size TEXT,
    on_hand INTEGER NOT NULL DEFAULT 0 CHECK (on_hand >= 0),
    reorder_level INTEGER NOT NULL CHECK (reorder_level >= 0),
    cost_price BIGINT NOT NULL CHECK (cost_price >= 0),
    selling_price BIGINT NOT NULL CHECK (selling_price >= 0),
    batch_number TEXT,
    expires_on DATE,
    prescription_only BOOLEAN NOT NULL,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX medicines_drug_category_id_idx ON medicines (drug_category_id);
CREATE INDEX medicines_manufacturer_id_idx ON medicines (manufacturer_id);
CREATE INDEX medicines_name_idx ON medicines (name);

CREATE TABLE stock_movements (
    id BLOB NOT NULL PRIMARY KEY,
    medicine_id BLOB NOT NULL REFERENCES medicines (id),
    kind TEXT NOT NULL CHECK (kind IN ('purchase', 'sale', 'return', 'adjustment', 'expired', 'damaged')),
    quantity INTEGER NOT NULL CHECK (quantity <> 0),
    unit_cost BIGINT NOT NULL CHECK (unit_cost >= 0),
    reference TEXT,
    notes TEXT,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX stock_movements_medicine_id_idx ON stock_movements (medicine_id);

CREATE TABLE pharmacy_sales (
    id BLOB NOT NULL PRIMARY KEY,
    sale_number TEXT NOT NULL UNIQUE,
    sale_date TIMESTAMP NOT NULL,
    total_amount BIGINT NOT NULL CHECK (total_amount >= 0),
    payment_method TEXT NOT NULL
        CHECK (payment_method IN ('cash', 'card', 'bank_transfer', 'mobile', 'cheque', 'insurance')),
    patient_id BLOB REFERENCES patients (id),
    sold_by BLOB,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX pharmacy_sales_patient_id_idx ON pharmacy_sales (patient_id);
CREATE INDEX pharmacy_sales_sale_date_idx ON pharmacy_sales (sale_date);

CREATE TABLE pharmacy_sale_items (
    id BLOB NOT NULL PRIMARY KEY,
    pharmacy_sale_id BLOB NOT NULL REFERENCES pharmacy_sales (id),
    medicine_id BLOB NOT NULL REFERENCES medicines (id),
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    unit_price BIGINT NOT NULL CHECK (unit_price >= 0),
    total_amount BIGINT NOT NULL CHECK (total_amount >= 0)
);
CREATE INDEX pharmacy_sale_items_pharmacy_sale_id_idx ON pharmacy_sale_items (pharmacy_sale_id);
CREATE INDEX pharmacy_sale_items_medicine_id_idx ON pharmacy_sale_items (medicine_id);

CREATE TABLE prescriptions (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    doctor_id BLOB NOT NULL REFERENCES doctors (id),
    appointment_id BLOB REFERENCES appointments (id),
    diagnosis TEXT,
    notes TEXT,
    state TEXT NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'partially_dispensed', 'dispensed', 'cancelled')),
    prescribed_at TIMESTAMP NOT NULL,
    dispensed_by BLOB,
    dispensed_at TIMESTAMP,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX prescriptions_patient_id_idx ON prescriptions (patient_id);
CREATE INDEX prescriptions_doctor_id_idx ON prescriptions (doctor_id);
CREATE INDEX prescriptions_appointment_id_idx ON prescriptions (appointment_id);

CREATE TABLE prescription_items (
    id BLOB NOT NULL PRIMARY KEY,
    prescription_id BLOB NOT NULL REFERENCES prescriptions (id),
    medicine_id BLOB NOT NULL REFERENCES medicines (id),
    dosage TEXT NOT NULL,
    frequency TEXT NOT NULL,
    duration TEXT NOT NULL,
    instructions TEXT,
    quantity_prescribed INTEGER NOT NULL CHECK (quantity_prescribed > 0),
    quantity_dispensed INTEGER NOT NULL DEFAULT 0 CHECK (quantity_dispensed BETWEEN 0 AND quantity_prescribed)
);
CREATE INDEX prescription_items_prescription_id_idx ON prescription_items (prescription_id);
CREATE INDEX prescription_items_medicine_id_idx ON prescription_items (medicine_id);
