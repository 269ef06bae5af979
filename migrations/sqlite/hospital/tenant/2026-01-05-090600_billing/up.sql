CREATE TABLE services (
    id BLOB NOT NULL PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    category TEXT NOT NULL,
    description TEXT,
    price BIGINT NOT NULL CHECK (price >= 0),
    duration_minutes INTEGER,
    taxable BOOLEAN NOT NULL,
    active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);

CREATE TABLE invoices (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    patient_id BLOB NOT NULL REFERENCES patients (id),
    appointment_id BLOB REFERENCES appointments (id),
    issued_on DATE NOT NULL,
    due_on DATE NOT NULL CHECK (due_on >= issued_on),
    subtotal_amount BIGINT NOT NULL CHECK (subtotal_amount >= 0),
    discount_amount BIGINT NOT NULL CHECK (discount_amount >= 0),
    tax_basis_points INTEGER NOT NULL CHECK (tax_basis_points >= 0),
    tax_amount BIGINT NOT NULL CHECK (tax_amount >= 0),
    total_amount BIGINT NOT NULL CHECK (total_amount >= 0),
    paid_amount BIGINT NOT NULL DEFAULT 0 CHECK (paid_amount >= 0),
    state TEXT NOT NULL DEFAULT 'draft'
        CHECK (state IN ('draft', 'pending', 'partially_paid', 'paid', 'overdue', 'cancelled', 'refunded')),
    notes TEXT,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX invoices_patient_id_idx ON invoices (patient_id);
CREATE INDEX invoices_appointment_id_idx ON invoices (appointment_id);
CREATE INDEX invoices_state_idx ON invoices (state, due_on);

CREATE TABLE invoice_items (
    id BLOB NOT NULL PRIMARY KEY,
    invoice_id BLOB NOT NULL REFERENCES invoices (id),
    service_id BLOB REFERENCES services (id),
    description TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    unit_price BIGINT NOT NULL CHECK (unit_price >= 0),
    total_amount BIGINT NOT NULL CHECK (total_amount >= 0),
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX invoice_items_invoice_id_idx ON invoice_items (invoice_id);
CREATE INDEX invoice_items_service_id_idx ON invoice_items (service_id);

CREATE TABLE payments (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    invoice_id BLOB NOT NULL REFERENCES invoices (id),
    amount BIGINT NOT NULL CHECK (amount > 0),
    payment_method TEXT NOT NULL
        CHECK (payment_method IN ('cash', 'card', 'bank_transfer', 'mobile', 'cheque', 'insurance')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'completed', 'failed', 'cancelled', 'refunded')),
    reference TEXT,
    notes TEXT,
    processed_by BLOB,
    paid_at TIMESTAMP NOT NULL,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
CREATE INDEX payments_invoice_id_idx ON payments (invoice_id);

CREATE TABLE insurance_claims (
    id BLOB NOT NULL PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    invoice_id BLOB NOT NULL UNIQUE REFERENCES invoices (id),
    provider TEXT NOT NULL,
    policy_number TEXT NOT NULL,
    claimed_amount BIGINT NOT NULL CHECK (claimed_amount > 0),
    approved_amount BIGINT CHECK (approved_amount >= 0),
    state TEXT NOT NULL DEFAULT 'submitted'
        CHECK (state IN ('submitted', 'under_review', 'approved', 'rejected', 'paid')),
    submitted_on DATE NOT NULL,
    answered_on DATE,
    rejection_reason TEXT,
    notes TEXT,
    created_by BLOB,
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP
);
